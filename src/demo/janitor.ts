/** Takes a lab away whatever becomes of the process that made it. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { commandEnvironment, OWNER_MARK } from './command.js';
import { OCCUPANTS } from './occupants.js';

/** What `sweep` says: the lab has ended its commands. */
const REGULAR_END = 'swept';

/**
 * $1: what the names of the lab's namespaces begin with; $2: its directory; $3: the mark of its process.
 *
 * `cat` returns when the pipe is closed: by `sweep`, or by the kernel when the lab's process has ended in any way. Then
 * its last command may still be at work, and make a namespace after we have looked for them: what bears the mark gets a
 * moment to end, else is killed, before anything is removed. A namespace is deleted only when nothing runs in it any
 * more, since nobody could find such a process afterwards; and it leaves its namespace a moment before its control group,
 * which is below that of whoever started the lab where Docker has made it.
 */
const SCRIPT = `${OCCUPANTS}
if [ "$(cat)" != ${REGULAR_END} ]; then
  tries=0
  while files=$(grep -lszxF -- "$3" /proc/[0-9]*/environ); [ -n "$files" ] && [ $tries -lt 100 ]; do
    if [ $tries -ge 25 ]; then
      kill -9 $(pids_of $files) 2>/dev/null
    fi
    tries=$((tries + 1))
    sleep 0.02
  done
fi
for file in /run/netns/"$1"*; do
  [ -e "$file" ] || continue
  namespace=\${file##*/}
  tries=0
  while pids=$(occupants "$namespace") && [ -n "$pids" ] && [ $tries -lt 500 ]; do
    kill -9 $pids 2>/dev/null
    tries=$((tries + 1))
    sleep 0.02
  done
  ip netns delete "$namespace"
done
for group in $(find /sys/fs/cgroup -type d -name "$1*" -prune 2>/dev/null); do
  tries=0
  while [ -d "$group" ] && [ $tries -lt 500 ]; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$group" ] && sleep 0.02
    tries=$((tries + 1))
  done
  [ -d "$group" ] && echo "$group: a process is left in it" >&2
done
rm -rf -- "$2"
`;

/** The waiting shell. One removal serves the regular end, a failure, and SIGKILL. */
export class Janitor {
  #swept: Promise<string> | undefined;

  private constructor(private readonly child: ChildProcessByStdio<Writable, null, Readable>) {}

  /**
   * @param namespacePrefix all namespaces whose names begin so are removed, with every process in them
   * @param directory removed with its content
   */
  static async start(namespacePrefix: string, directory: string): Promise<Janitor> {
    const { PATH } = commandEnvironment();
    const child = spawn('sh', ['-c', SCRIPT, 'lab-janitor', namespacePrefix, directory, OWNER_MARK], {
      // Without the mark, so that it does not find itself.
      env: { PATH },
      stdio: ['pipe', 'ignore', 'pipe'],
      // Own session: neither Ctrl-C nor a closed terminal reaches it.
      detached: true,
    });
    await once(child, 'spawn');
    child.unref();
    return new Janitor(child);
  }

  /**
   * Removes everything now; later calls wait for the same removal.
   * @returns what could not be removed, in the words of the commands; empty when all went well
   */
  sweep(): Promise<string> {
    this.#swept ??= this.#sweep();
    return this.#swept;
  }

  async #sweep(): Promise<string> {
    let complaints = '';
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
    this.child.ref();
    this.child.stdin.end(REGULAR_END);
    await once(this.child, 'close');
    return complaints.trim();
  }
}
