/**
 * The page on the health port: asks the agent every two seconds and shows what it says. It changes nothing anywhere.
 *
 * What is shown is always said to be of a moment. An agent that does not answer is said to be away; what was known before
 * stays, dimmed, and the page goes on by itself when it answers again.
 */
import { formatDuration } from '../daemon/duration.js';
import { askAgent, type Answer } from './agent.js';
import { elementById, setText } from './elements.js';
import { createView } from './view.js';

const POLL_MS = 2_000;
/** Ages are counted in seconds. */
const TICK_MS = 1_000;
/** By then a second answer should have been here: a computer that slept, a tab in the background. */
const OLD_MS = 10_000;

const draw = createView();
let answer: Answer | undefined;
/** Why the last question went unanswered. */
let failure: string | undefined;

function show(): void {
  const now = performance.now();
  if (answer !== undefined) {
    draw(answer.status, new Date(answer.agentTime + (now - answer.receivedAt)));
  }
  const isOld = failure !== undefined || answer === undefined || now - answer.receivedAt > OLD_MS;
  document.body.classList.toggle('old', isOld && answer !== undefined);
  elementById('away').hidden = failure === undefined;
  if (failure !== undefined) setText(elementById('away'), awayText(failure));
  const age = answer === undefined ? '' : `as of ${formatDuration(now - answer.receivedAt)} ago`;
  setText(elementById('age'), age);
}

/** Without how long: an alert is read out anew whenever its text changes. */
function awayText(message: string): string {
  const rest =
    answer === undefined
      ? ''
      : ' What is shown is what it said last; the network of this host may still work.';
  return `The agent does not answer: ${message}.${rest}`;
}

async function look(): Promise<void> {
  try {
    const { status } = (answer = await askAgent());
    failure = undefined;
    // Another release may tell other things than this page knows.
    if (loadedFrom !== undefined && loadedFrom !== status.agent.version) location.reload();
    loadedFrom = status.agent.version;
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  show();
}
let loadedFrom: string | undefined;

async function lookAgainAndAgain(): Promise<never> {
  for (;;) {
    await look();
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}

setInterval(show, TICK_MS);
void lookAgainAndAgain();
