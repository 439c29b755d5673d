import t from 'tap';
import { parsePing } from '../../../src/demo/ping.js';

const IPUTILS = `PING 10.5.2.2 (10.5.2.2) 56(84) bytes of data.
64 bytes from 10.5.2.2: icmp_seq=1 ttl=62 time=0.085 ms

--- 10.5.2.2 ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time 101ms
rtt min/avg/max/mdev = 0.041/0.058/0.085/0.019 ms
`;
const BUSYBOX = `--- 10.5.2.2 ping statistics ---
3 packets transmitted, 3 packets received, 0% packet loss
round-trip min/avg/max = 0.052/0.070/0.081 ms
`;
const PARTLY = `3 packets transmitted, 2 received, 33.3333% packet loss, time 101ms
rtt min/avg/max/mdev = 0.041/0.058/0.085/0.019 ms
`;

t.test('parsePing', async t => {
  t.same(parsePing(IPUTILS), { kind: 'answered', bestMs: 0.041 });
  t.same(parsePing(BUSYBOX), { kind: 'answered', bestMs: 0.052 });
  t.same(parsePing(PARTLY), { kind: 'lost', detail: '2 of 3 came back' }, 'one lost is lost');
  t.same(
    parsePing('ping: connect: Network is unreachable\n'),
    { kind: 'lost', detail: 'ping: connect: Network is unreachable' },
    'its own words when it could not send',
  );
});
