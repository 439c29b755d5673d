/** One network namespace: how commands get into it. */
import type { CommandOptions, CommandResult, Commands } from './command.js';
import { OCCUPANTS } from './occupants.js';

/** One object of `ip -json` or `bridge -json`, fields as the command names them. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A named network namespace. It is taken away by the lab's janitor, or by `deleteNamespace`. */
export class Namespace {
  constructor(
    readonly name: string,
    private readonly commands: Commands,
  ) {}

  /** The argument vector that runs a program inside; `ip netns exec` becomes the program, so its pid stays. */
  argv(argv: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.name, ...argv];
  }

  /** Runs a program inside and waits for it, whatever its exit code. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return this.commands.run(this.argv(argv), options);
  }

  /** Runs `ip` on this namespace, such as `ip('link', 'set', 'lo', 'up')`. */
  async ip(...args: readonly string[]): Promise<void> {
    await this.commands.must(['ip', '-n', this.name, ...args]);
  }

  /** What `ip -details -json` answers, such as `ipJson('route', 'show', 'proto', '83')`. */
  async ipJson(...args: readonly string[]): Promise<readonly JsonObject[]> {
    return parseObjects(await this.commands.must(['ip', '-n', this.name, '-details', '-json', ...args]));
  }

  /** What `bridge -json` answers, such as `bridgeJson('fdb', 'show', 'dev', 'flannel.1')`. */
  async bridgeJson(...args: readonly string[]): Promise<readonly JsonObject[]> {
    return parseObjects(await this.commands.must(['bridge', '-n', this.name, '-json', ...args]));
  }
}

/** Makes a namespace with its loopback up. */
export async function createNamespace(name: string, commands: Commands): Promise<Namespace> {
  await commands.must(['ip', 'netns', 'add', name]);
  const namespace = new Namespace(name, commands);
  await namespace.ip('link', 'set', 'lo', 'up');
  return namespace;
}

/** Kills what runs in a namespace or is on its way into it, and deletes it. */
export async function deleteNamespace(namespace: Namespace, commands: Commands): Promise<void> {
  const find = ['sh', '-c', `${OCCUPANTS}\noccupants "$1"`, 'occupants', namespace.name];
  for (;;) {
    const pids = (await commands.must(find)).split('\n').filter(Boolean);
    if (pids.length === 0) break;
    await commands.run(['kill', '-9', ...pids]);
  }
  await commands.must(['ip', 'netns', 'delete', namespace.name]);
}

function parseObjects(text: string): readonly JsonObject[] {
  // An empty dump is printed as `[]`, by some kinds of objects as nothing at all; absent ones as `[{}]`.
  const objects = text.trim() === '' ? [] : (JSON.parse(text) as readonly JsonObject[]);
  return objects.filter(object => Object.keys(object).length > 0);
}
