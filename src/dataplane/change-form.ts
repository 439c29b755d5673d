/** How ops become messages. Pure. */
import { entryOf, type Op } from './diff.js';
import { describe, kindOf } from './kinds/index.js';
import type { DeviceTable, Kind } from './kinds/kind.js';
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST } from './netlink/constants.js';
import type { BatchForm } from './netlink/exchange.js';
import type { MessageWriter } from './netlink/message.js';

/** Ops as messages. */
export class ChangeForm implements BatchForm<Op> {
  readonly #devices: DeviceTable;

  constructor(devices: DeviceTable) {
    this.#devices = devices;
  }

  type(op: Op): number {
    const kind = kindOf(entryOf(op));
    return op.kind === 'remove' ? kind.removeType : kind.putType;
  }

  describe(op: Op): string {
    const text = describe(entryOf(op));
    return op.kind === 'remove' ? `remove ${text}` : text;
  }

  write(writer: MessageWriter, ops: readonly Op[], start: number, end: number, sequence: number): void {
    let place = start;
    while (place < end) {
      const model = ops[place]!;
      const entry = entryOf(model);
      const kind = kindOf(entry);
      writer.beginMessage(this.type(model), flagsOf(model) | NLM_F_REQUEST, sequence + place - start);
      if (model.kind === 'remove') kind.encodeRemoval(writer, entry, this.#devices);
      else kind.encode(writer, entry, this.#devices);
      writer.endMessage();
      place++;
      if (model.kind !== 'remove' && kind.isModel(entry))
        place = rewriteAlike(writer, kind, ops, place, end, model);
    }
  }
}

/** Writes the messages that follow the model's, as long as they are like it. @returns the place of the next */
function rewriteAlike(
  writer: MessageWriter,
  kind: Kind,
  ops: readonly Op[],
  start: number,
  end: number,
  model: Exclude<Op, { kind: 'remove' }>,
): number {
  let place = start;
  while (place < end) {
    const op = ops[place]!;
    if (op.kind !== model.kind || op.entry.kind !== kind.name) break;
    if (!kind.rewrite(writer, op.entry, model.entry)) break;
    place++;
  }
  return place;
}

function flagsOf(op: Op): number {
  if (op.kind === 'remove') return 0;
  const isExclusive = op.kind === 'create' && kindOf(op.entry).exclusive;
  return NLM_F_CREATE | (isExclusive ? NLM_F_EXCL : NLM_F_REPLACE);
}
