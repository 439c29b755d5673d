import { constants } from 'node:os';
import t from 'tap';
import * as nl from '../../../../src/dataplane/netlink/constants.js';
import { errnoName, isAlreadyGone, NetlinkError } from '../../../../src/dataplane/netlink/errors.js';

const { EAGAIN, EADDRNOTAVAIL, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM, ESRCH } = constants.errno;

t.test('an error says what was done, to what, and what came back', async t => {
  const error = new NetlinkError('RTM_NEWROUTE', EINVAL, 'route 10.5.2.0/24 via 10.5.2.0 dev flannel.1');
  t.match(error, {
    name: 'NetlinkError',
    message: 'route 10.5.2.0/24 via 10.5.2.0 dev flannel.1: EINVAL',
    operation: 'RTM_NEWROUTE',
    code: 'EINVAL',
    errno: EINVAL,
  });
  t.equal(errnoName(EAGAIN), 'EAGAIN');
  t.equal(errnoName(EOPNOTSUPP), 'EOPNOTSUPP');
  t.equal(errnoName(99_999), 'errno 99999');
});

t.test('a delete of what is not there is no failure', async t => {
  const benign = [
    [nl.RTM_DELROUTE, ESRCH],
    [nl.RTM_DELNEIGH, ENOENT],
    [nl.RTM_DELNEIGH, ENODEV],
    [nl.RTM_DELADDR, EADDRNOTAVAIL],
    [nl.RTM_DELADDR, ENODEV],
    [nl.RTM_DELLINK, ENODEV],
    [nl.RTM_DELNEXTHOP, ENOENT],
  ] as const;
  const is = (type: number, errno: number): boolean =>
    isAlreadyGone(new NetlinkError(nl.messageName(type), errno, 'subject'));
  for (const [type, errno] of benign) t.ok(is(type, errno), `${nl.messageName(type)} ${errnoName(errno)}`);
  t.notOk(is(nl.RTM_DELROUTE, ENOENT));
  t.notOk(is(nl.RTM_DELNEIGH, EPERM));
  t.notOk(is(nl.RTM_NEWNEIGH, ENOENT), 'only deletes');
});

t.test('a type without a name is told by number', async t => {
  t.equal(nl.messageName(nl.RTM_GETNEIGH), 'RTM_GETNEIGH');
  t.equal(nl.messageName(999), 'type 999');
});
