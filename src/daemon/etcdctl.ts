/** Commands that an operator is told to run. Pure. */

/**
 * The command that puts a config document into etcd, for a POSIX shell: on one line, printable, and quoted so that
 * nothing in it means anything to the shell.
 * @param document JSON
 * @param endpoints of etcd; none: etcdctl's own default
 */
export function putConfigCommand(key: string, document: string, endpoints: readonly string[] = []): string {
  const where = endpoints.length === 0 ? '' : ` --endpoints ${endpoints.join(',')}`;
  const line = JSON.stringify(JSON.parse(document)).replace(/[^\x20-\x7e]/g, escapeUnit);
  return `etcdctl${where} put ${key} '${line.replaceAll("'", String.raw`'\''`)}'`;
}

/** A UTF-16 unit as JSON writes it in ASCII. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
