/** Beside Docker, backend host-gw. */
import t from 'tap';
import { testBesideDocker } from '../support/docker-tests.js';

await testBesideDocker(t, 'host-gw');
