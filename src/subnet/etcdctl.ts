/** etcdctl command lines that an operator is told to run. Pure. */

/** How etcd is reached. */
export interface EtcdctlAccess {
  /** None: etcdctl's own default. */
  readonly endpoints: readonly string[];
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly username?: string | undefined;
}

/**
 * The command line up to its subcommand, for a POSIX shell, with what this etcd asks for. Of a user only the name is in
 * it: etcdctl asks for the password.
 */
export function etcdctl({ endpoints, caFile, certFile, keyFile, username }: EtcdctlAccess): string {
  const flags: readonly (readonly [string, string | undefined])[] = [
    ['--endpoints', endpoints.length === 0 ? undefined : endpoints.join(',')],
    ['--cacert', caFile],
    ['--cert', certFile],
    ['--key', keyFile],
    ['--user', username],
  ];
  const given = flags.flatMap(([flag, value]) => (value === undefined ? [] : [`${flag} ${quote(value)}`]));
  return ['etcdctl', ...given].join(' ');
}

/** As one word of a POSIX shell, in which nothing means anything to the shell. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
