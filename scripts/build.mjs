/** `npm run build`: makes `dist/` in a clone whose npm packages are there. */
import { main, mustBuild } from './setup.mjs';

await main(async () => {
  await mustBuild();
  return 0;
});
