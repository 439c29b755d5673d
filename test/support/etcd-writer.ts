/**
 * Writes many keys fast, a program: `node etcd-writer.js ENDPOINT CA CERTIFICATE KEY`, the rounds as JSON on its standard
 * input. The puts of a round are sent together, each a revision of its own; a round begins when the one before is written.
 */
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Etcd3 } from 'etcd3';

export type Rounds = readonly (readonly (readonly [key: string, value: string])[])[];

const [endpoint = '', ca = '', certificate = '', key = ''] = process.argv.slice(2);
const client = new Etcd3({
  hosts: [endpoint],
  credentials: {
    rootCertificate: readFileSync(ca),
    certChain: readFileSync(certificate),
    privateKey: readFileSync(key),
  },
});
for (const round of JSON.parse(await text(process.stdin)) as Rounds) {
  await Promise.all(round.map(([name, value]) => client.put(name).value(value).exec()));
}
client.close();
