/** Who may send, and when. */
import t from 'tap';
import { Room } from '../../../../src/dataplane/netlink/room.js';

/** Takes room for one after another. @returns who is in, in their order, and how to leave */
function entering(room: Room) {
  const inside: string[] = [];
  const leaves = new Map<string, () => void>();
  const settled = () => new Promise(resolve => setImmediate(resolve));
  const enter = async (name: string, taken: Promise<() => void>) => {
    leaves.set(name, await taken);
    inside.push(name);
  };
  return {
    inside,
    enter: async (name: string, count: number) => {
      void enter(name, count === Infinity ? room.takeAll() : room.take(count));
      await settled();
    },
    leave: async (name: string) => {
      leaves.get(name)!();
      await settled();
    },
  };
}

t.test('as many as fit are in at once, and nobody overtakes who came before', async t => {
  const { inside, enter, leave } = entering(new Room(10));
  await enter('a', 4);
  await enter('b', 6);
  await enter('c', 5);
  await enter('d', 1);
  t.same(inside, ['a', 'b'], 'd would fit when a leaves, but c was first');
  await leave('a');
  t.same(inside, ['a', 'b']);
  await leave('b');
  t.same(inside, ['a', 'b', 'c', 'd']);
});

t.test('who wants to be alone is, however much that is', async t => {
  const { inside, enter, leave } = entering(new Room(10));
  await enter('a', 1);
  await enter('alone', Infinity);
  await enter('b', 1);
  await enter('large', 99);
  t.same(inside, ['a']);
  await leave('a');
  t.same(inside, ['a', 'alone']);
  await leave('alone');
  t.same(inside, ['a', 'alone', 'b']);
  await leave('b');
  t.same(inside, ['a', 'alone', 'b', 'large'], 'more than the whole room is the whole room');
});
