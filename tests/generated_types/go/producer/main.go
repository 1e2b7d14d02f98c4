// Two requests, as a producer writes them.
package main

import (
	"encoding/json"
	"fmt"

	"types/job"
)

func text(value string) *string   { return &value }
func whole(value int64) *int64    { return &value }
func yes() *bool                  { value := true; return &value }
func part(value float64) *float64 { return &value }

func main() {
	stages := job.JobRequest{
		InputFile: text("input/uploads/example.jpg"),
		User:      text("ifgeek"),
		Stages: []job.StageRequest{{
			Image:       "echo",
			Command:     []string{"echo", "hello", "world"},
			Environment: map[string]string{"MODE": "fast"},
		}},
	}
	jobType := job.JobRequest{
		JobID:   text("greet-42"),
		JobType: text("greet"),
		Tenant:  text("web"),
		Parameters: map[string]*job.Parameter{
			"who":   {String: text("world")},
			"loud":  {Bool: yes()},
			"times": {Integer: whole(3)},
			"pause": {Double: part(0.5)},
		},
		TimeoutSeconds: whole(3600),
		Labels:         map[string]string{"album": "summer"},
		Progress:       yes(),
	}
	written, err := json.Marshal([]job.JobRequest{stages, jobType})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(written))
}
