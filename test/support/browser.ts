/** A headless Chromium, driven by its DevTools protocol over a pipe (`--remote-debugging-pipe`): no library, no port. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../src/demo/wait.js';

/** Debian's smaller build of Chromium, which knows nothing but to be headless. */
const PROGRAM = 'chromium-headless-shell';

/** Root has no sandbox, a namespace of a test no GPU and no shared memory to speak of. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe'],
  ...['--no-first-run', '--disable-background-networking', '--disable-component-update'],
  ...['--force-color-profile=srgb', '--hide-scrollbars'],
];

const POLL_MS = 50;

export interface BrowserOptions {
  /** Puts a command into the namespace that it is to run in. */
  readonly argv: (argv: readonly string[]) => readonly string[];
  readonly width: number;
  readonly height: number;
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly entry?: { readonly text: string } };
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** One tab of a browser of its own. */
export class Browser {
  /** What the page complained of: uncaught errors, refused resources, breaches of its own policy. */
  readonly complaints: string[] = [];
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #ended: Promise<Reply>;
  #lastId = 0;
  #session: string | undefined;

  private constructor(
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {
    this.#ended = new Promise(resolve => {
      const end = (cause: unknown) => resolve({ error: { message: `${PROGRAM} ended: ${String(cause)}` } });
      child.once('error', end).once('exit', end);
    });
    // Of a browser that has ended, which is told by its end.
    for (const pipe of [child.stdio[3], child.stdio[4]]) pipe?.on('error', () => undefined);
    let rest = Buffer.alloc(0);
    (child.stdio[4] as Readable).on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
        this.#take(JSON.parse(rest.subarray(0, end).toString()) as Reply);
        rest = rest.subarray(end + 1);
      }
    });
  }

  static async start({ argv, width, height }: BrowserOptions): Promise<Browser> {
    const directory = await mkdtemp(join(tmpdir(), 'selvedge-browser-'));
    const [program = '', ...args] = argv([
      ...[PROGRAM, ...FLAGS, `--user-data-dir=${directory}`, `--window-size=${width},${height}`],
      'about:blank',
    ]);
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      // A group of their own, by which its processes are ended together. They end with the pipe, too.
      detached: true,
    });
    const browser = new Browser(child, directory);
    try {
      await browser.#attach();
    } catch (error) {
      await browser.close();
      throw error;
    }
    return browser;
  }

  async #attach(): Promise<void> {
    const { targetInfos } = (await this.#call('Target.getTargets')) as {
      readonly targetInfos: readonly { readonly targetId: string; readonly type: string }[];
    };
    const targetId = targetInfos.find(({ type }) => type === 'page')?.targetId;
    const attached = await this.#call('Target.attachToTarget', { targetId, flatten: true });
    this.#session = attached.sessionId as string;
    for (const domain of ['Page', 'Runtime', 'Log']) await this.#call(`${domain}.enable`);
  }

  async open(address: string): Promise<void> {
    await this.#call('Page.navigate', { url: address });
  }

  /** @param scheme what `prefers-color-scheme` says; @param width of the screen in CSS pixels */
  async pretend(scheme: 'light' | 'dark', width: number, height: number): Promise<void> {
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.#call('Emulation.setEmulatedMedia', { features });
    const screen = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.#call('Emulation.setDeviceMetricsOverride', screen);
  }

  /**
   * Runs an expression in the page.
   * @returns its value, which has to be plain data
   * @throws Error when the expression throws
   */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.#call('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })) as {
      readonly result: { readonly value: T; readonly description?: string };
      readonly exceptionDetails?: object;
    };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${result.description ?? ''}`);
    return result.value;
  }

  /**
   * Waits until an expression is true in the page.
   * @throws Error after the deadline, with the page's text
   */
  async until(expression: string, deadlineSeconds = 180): Promise<void> {
    const deadline = performance.now() + deadlineSeconds * 1000;
    while (!(await this.evaluate<boolean>(`Boolean(${expression})`).catch(() => false))) {
      if (performance.now() > deadline) {
        const text = await this.evaluate<string>('document.body.innerText.slice(0, 2000)');
        throw new Error(
          `not within ${deadlineSeconds} s: ${expression}\n${text}\n${this.complaints.join('\n')}`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  /** A key of the keyboard, by its name in the DOM; text for what is written by it. */
  async press(key: string, text?: string): Promise<void> {
    await this.#call('Input.dispatchKeyEvent', { type: 'keyDown', key, text });
    await this.#call('Input.dispatchKeyEvent', { type: 'keyUp', key });
  }

  /** What is seen, as PNG. */
  async picture(): Promise<Buffer> {
    const { data } = await this.#call('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data as string, 'base64');
  }

  /** Ends it and removes its profile; says so where it cannot, for a teardown that throws would drop all others. */
  async close(): Promise<void> {
    try {
      await waitFor({
        what: 'the processes of the browser to end',
        read: () => this.#killAll(),
        until: isLeft => !isLeft,
      });
      // Not before: each of them may write to the profile.
      await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
    } catch (error) {
      process.stderr.write(`${String(error)}\n`);
    }
  }

  /** @returns whether any of them was left */
  #killAll(): boolean {
    if (this.child.pid === undefined) return false;
    try {
      return process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      return false;
    }
  }

  async #call(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#lastId;
    const message = { id, method, params, ...(this.#session !== undefined && { sessionId: this.#session }) };
    const replied = new Promise<Reply>(resolve => this.#waiting.set(id, resolve));
    (this.child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    const { result, error } = await Promise.race([replied, this.#ended]);
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  #take(reply: Reply): void {
    if (reply.id !== undefined) this.#waiting.get(reply.id)?.(reply);
    else if (reply.method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(reply.params));
    else if (reply.method === 'Log.entryAdded') this.complaints.push(reply.params?.entry?.text ?? '');
  }
}
