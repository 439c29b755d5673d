/** Beside Docker, backend vxlan. */
import t from 'tap';
import { testBesideDocker } from '../support/docker-tests.js';

await testBesideDocker(t, 'vxlan');
