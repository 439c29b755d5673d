/**
 * A mistake that the operator must mend: one clear line, no stack, exit code 2. systemd must not start the agent again
 * for it (RestartPreventExitStatus=2).
 */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
