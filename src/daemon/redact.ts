/**
 * Takes secrets out of text that leaves this host: what names itself a secret, and every secret that is known by its value.
 * Pure. It would rather take too much than too little.
 */

/** Stands where a secret was. */
export const REDACTED = '[removed]';

/** Parts of names of things that nobody else may know. */
const SECRET_WORDS =
  'passw|passphrase|[-_]pwd|secret|token|psk|credential|api[-_]?key|private[-_]?key|authorization|cookie';
const SECRET_NAME = new RegExp(SECRET_WORDS, 'i');

/** Shorter ones would take ordinary words and numbers with them. */
const SHORTEST_SECRET = 4;

/**
 * Part of a name behind its word. All repetitions that can begin anywhere have an end, so that no text, however it
 * is made, costs more than in proportion to its length.
 */
const LONGEST_NAME = 64;

/** A private key in PEM (RFC 7468), also one that is cut off. */
const PEM_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;

/** User and password in front of a host (RFC 3986, 3.2.1); a password that should have been escaped may hold anything. */
const URL_USER = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s"'<>]{0,500}@/gi;

/** Credentials of an HTTP header (RFC 9110, 11.4). */
const AUTHORIZATION = /\b(bearer|basic)\s{1,8}[\w.~+/-]{4,}=*/gi;

/** Variables that a unit gives to a service (systemd.exec(5)): they may hold anything. */
const UNIT_ENVIRONMENT = /^(\s*Environment=)(?:[^\n]*\\\n)*[^\n]*$/gm;

/** A flag with its value behind a blank, as command lines have it. */
const FLAG = new RegExp(
  String.raw`((?:^|\s)--?[\w-]{0,${LONGEST_NAME}}(?:${SECRET_WORDS})[\w-]{0,${LONGEST_NAME}})\s{1,8}("[^"]*"|'[^']*'|\S+)`,
  'gim',
);

/**
 * A secret's name and its value: `NAME=…`, `--name=…`, `name: …`, `"name":"…"`, `\"name\":\"…\"` in a string of a string. The
 * value goes to its quote, or to the end of the word.
 */
const ASSIGNMENT = new RegExp(
  String.raw`((?:${SECRET_WORDS})[\w.-]{0,${LONGEST_NAME}})(\\*["']?\s{0,8}[=:]\s{0,8})` +
    String.raw`(\\+"[^]*?\\+"|"(?:[^"\\]|\\.)*"|'[^']*'|(?!\[removed\])[^\s"']+)`,
  'gi',
);

/**
 * @param text of any kind: JSON, a command line, variables, a log
 * @param secrets values that are known, in whatever place they stand
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  // The long ones first: one may be a part of another.
  const known = secrets
    .filter(({ length }) => length >= SHORTEST_SECRET)
    .toSorted((a, b) => b.length - a.length);
  return known
    .flatMap(writtenForms)
    .reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text)
    .replace(PEM_KEY, REDACTED)
    .replace(UNIT_ENVIRONMENT, `$1${REDACTED}`)
    .replace(URL_USER, `$1${REDACTED}@`)
    .replace(AUTHORIZATION, `$1 ${REDACTED}`)
    .replace(FLAG, (all, flag: string) => (isSecretName(flag) ? `${flag} ${REDACTED}` : all))
    .replace(ASSIGNMENT, (all, name: string, sign: string, value: string) => {
      if (!isSecretName(name)) return all;
      const quote = /^(?:\\*["']|)/.exec(value)![0];
      return `${name}${sign}${quote}${REDACTED}${quote}`;
    });
}

/** Whether what bears this name must not be told; where a file is may be. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !/[-_]?(?:file|path|dir)$/i.test(name);
}

/** A secret as it is, and as it stands in JSON, in a URL and in an HTTP header. */
function writtenForms(secret: string): string[] {
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
  ];
  return [...new Set(forms)];
}
