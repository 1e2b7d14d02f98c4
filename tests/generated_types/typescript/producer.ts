// Two requests, as a producer writes them. What must not compile says so, and the compiler checks that too.
import type { JobRequest } from "./job.js";

const stages: JobRequest = {
  input_file: "input/uploads/example.jpg",
  user: "ifgeek",
  stages: [{ image: "echo", command: ["echo", "hello", "world"], environment: { MODE: "fast" } }],
};

const jobType: JobRequest = {
  job_id: "greet-42",
  job_type: "greet",
  tenant: "web",
  parameters: { who: "world", loud: true, times: 3, pause: 0.5 },
  timeout_seconds: 3600,
  labels: { album: "summer" },
  progress: true,
};

// @ts-expect-error A stage names its image.
const nameless: JobRequest = { stages: [{ command: ["echo"] }] };
// @ts-expect-error A command is a list.
const oneString: JobRequest = { stages: [{ image: "echo", command: "echo hello" }] };
// @ts-expect-error A variable is a text.
const numbers: JobRequest = { stages: [{ image: "echo", environment: { MODE: 1 } }] };
// @ts-expect-error Unknown fields are refused.
const unknownField: JobRequest = { job_type: "greet", priority: 1 };
// @ts-expect-error A parameter is one value.
const nested: JobRequest = { job_type: "greet", parameters: { who: ["world"] } };
void [nameless, oneString, numbers, unknownField, nested];

console.log(JSON.stringify([stages, jobType]));
