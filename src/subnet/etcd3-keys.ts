/** Keys and values as etcd has them (bytes) ↔ as the port has them (text). Pure. */
import type { IKeyValue } from 'etcd3';
import type { KeyValue } from './store.js';

/** The first key after all keys that start with `prefix`: etcd's form of a prefix range. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  // UTF-8 has no byte 0xff, so the last byte can always be raised.
  if (end.length > 0) end[end.length - 1]! += 1;
  return end.length > 0 ? end : Buffer.of(0);
}

/** Reads a key with its value. */
export function toKeyValue(kv: IKeyValue): KeyValue {
  return {
    key: toKeyText(kv.key),
    value: kv.value.toString(),
    createRevision: BigInt(kv.create_revision),
    modRevision: BigInt(kv.mod_revision),
    leaseId: kv.lease,
  };
}

/** A key as text. Bytes that are no UTF-8 are written `\xNN`, so that two such keys don't become one. */
export function toKeyText(key: Buffer): string {
  const text = key.toString();
  if (!text.includes('\ufffd')) return text;
  return key.toString('latin1').replace(/[^\x20-\x7e]/g, byte => {
    return `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
