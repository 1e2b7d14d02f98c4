// One line for each message on standard input. A field that is always sent is read without asking whether it is there.
import { readFileSync } from "node:fs";
import type { JobNotification } from "./notification.js";
import type { JobProgress } from "./progress.js";

type Message = JobNotification | JobProgress;

function isOutcome(message: Message): message is JobNotification {
  return "observed_via" in message;
}

// The classes that this subscriber knows: any other is a plain text to it, and no error.
function shortly(failureClass: string): string {
  return failureClass === "application_exit" ? "failed" : failureClass;
}

function ended(outcome: JobNotification): string {
  // @ts-expect-error Null for a request that was not admitted.
  const certain: string = outcome.ended_at;
  void certain;
  return outcome.ended_at === null ? "-" : String(Date.parse(outcome.ended_at));
}

function ofOutcome(outcome: JobNotification): string[] {
  const attempts = outcome.stages.flatMap((stage) => stage.attempts);
  const logs = attempts.flatMap((attempt) => attempt.containers).map((container) => container.log);
  return [
    outcome.job_id ?? "-",
    outcome.status,
    outcome.failure === null ? "-" : shortly(outcome.failure.failure_class),
    ended(outcome),
    String(attempts.length),
    String(logs.reduce((lines, log) => lines + (log?.lines ?? 0), 0)),
    String(outcome.rejection?.problems.length ?? 0),
    Object.values(outcome.labels).join("+") || "-",
  ];
}

function ofProgress(progress: JobProgress): string[] {
  const { stage, failure } = progress;
  const why = failure === null ? "-" : shortly(failure.failure_class);
  return [progress.job_id, progress.status, why, stage === null ? "-" : `${stage.stage}.${stage.attempt}`];
}

const messages: Message[] = JSON.parse(readFileSync(0, "utf8"));
for (const message of messages) {
  console.log((isOutcome(message) ? ofOutcome(message) : ofProgress(message)).join(" "));
}
