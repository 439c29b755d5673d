/** The table of contents of a support archive. Pure. */
import type { Collected } from './collect.js';

/** @param facts lines about the host and this program */
export function formatIndex(facts: readonly string[], collected: readonly Collected[]): string {
  const had = collected.filter(({ text }) => text !== undefined);
  const lacking = collected.filter(({ text }) => text === undefined);
  return [
    ...facts,
    'What names itself a password, a secret, a token or a key was taken out, and so were the secrets of this agent wherever they',
    'stood. Addresses, names of hosts and keys of etcd are in here: look it through before you give it away.',
    '',
    `${had.length} files:`,
    ...had.map(
      ({ name, how, remark }) =>
        `  ${name}\n    ${how}${remark === '' ? '' : `\n    note: ${oneLine(remark)}`}`,
    ),
    '',
    `${lacking.length} could not be had:`,
    ...lacking.map(({ name, how, remark }) => `  ${name}\n    ${how}\n    because: ${oneLine(remark)}`),
    '',
  ].join('\n');
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
