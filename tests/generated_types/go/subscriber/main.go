// One line for each message on standard input. What is always sent is read without asking whether it is there.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"types/notification"
	"types/progress"
)

// The classes that this subscriber knows: any other is a plain text to it, and no error.
func shortly(failureClass string) string {
	if failureClass == "application_exit" {
		return "failed"
	}
	return failureClass
}

func ofOutcome(outcome notification.JobNotification) string {
	job, why, ended, label, problems := "-", "-", "-", "-", 0
	if outcome.JobID != nil {
		job = *outcome.JobID
	}
	if outcome.Failure != nil {
		why = shortly(outcome.Failure.FailureClass)
	}
	if outcome.EndedAt != nil {
		ended = fmt.Sprint(outcome.EndedAt.UnixMilli())
	}
	if outcome.Rejection != nil {
		problems = len(outcome.Rejection.Problems)
	}
	for _, value := range outcome.Labels {
		label = value
	}
	attempts, lines := 0, int64(0)
	for _, stage := range outcome.Stages {
		for _, attempt := range stage.Attempts {
			attempts++
			for _, container := range attempt.Containers {
				if container.Log != nil {
					lines += container.Log.Lines
				}
			}
		}
	}
	return fmt.Sprintf("%s %s %s %s %d %d %d %s", job, outcome.Status, why, ended, attempts, lines, problems, label)
}

func ofProgress(told progress.JobProgress) string {
	why, where := "-", "-"
	if told.Failure != nil {
		why = shortly(told.Failure.FailureClass)
	}
	if told.Stage != nil {
		where = fmt.Sprintf("%d.%d", told.Stage.Stage, told.Stage.Attempt)
	}
	return fmt.Sprintf("%s %s %s %s", told.JobID, told.Status, why, where)
}

func line(message json.RawMessage) string {
	if strings.Contains(string(message), `"observed_via"`) {
		outcome, err := notification.UnmarshalJobNotification(message)
		if err != nil {
			panic(err)
		}
		return ofOutcome(outcome)
	}
	told, err := progress.UnmarshalJobProgress(message)
	if err != nil {
		panic(err)
	}
	return ofProgress(told)
}

func main() {
	var messages []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&messages); err != nil {
		panic(err)
	}
	for _, message := range messages {
		fmt.Println(line(message))
	}
}
