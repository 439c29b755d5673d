/** A program of ours in a namespace, asked over an IPC channel; it answers once at its start, then every request in order. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../../src/demo/namespace.js';

export class Child<Request extends object, Answer> {
  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
  ) {}

  /**
   * Starts the program.
   * @param program its compiled file
   * @returns the child, and its first answer
   */
  static async start<Request extends object, Answer>(
    namespace: Namespace,
    program: URL,
    args: readonly string[],
  ): Promise<{ readonly child: Child<Request, Answer>; readonly first: Answer }> {
    const file = fileURLToPath(program);
    const [command = '', ...rest] = namespace.argv([process.execPath, file, ...args]);
    // It ends when the channel closes, and so with this process at the latest.
    const process_ = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const child = new Child<Request, Answer>(process_, `${file} in ${namespace.name}`);
    return { child, first: await child.#answer() };
  }

  /** One request at a time. */
  ask(request: Request): Promise<Answer> {
    const answer = this.#answer();
    this.child.send(request);
    return answer;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  async #answer(): Promise<Answer> {
    const abort = new AbortController();
    const { signal } = abort;
    try {
      const [answer] = (await Promise.race([
        once(this.child, 'message', { signal }),
        once(this.child, 'exit', { signal }).then(([code]) => {
          throw new Error(`${this.name} ended with exit code ${String(code)}`);
        }),
      ])) as [Answer];
      return answer;
    } finally {
      abort.abort();
    }
  }
}
