/** The page's looks: light and dark as the reader's system has it, tables that become cards on a phone. */
export const PAGE_CSS = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --ink: #1c2326; --dim: #5d686d; --line: #dcdfdd; --raised: #ffffff;
  --good: #1d7f4e; --warn: #9a6200; --bad: #b3261e; --bad-paper: #fdeeec; --warn-paper: #fdf5e3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181a; --ink: #e4e8e8; --dim: #98a4a8; --line: #2c3438; --raised: #1b2124;
    --good: #5fc893; --warn: #e2ad4c; --bad: #f28b82; --bad-paper: #33201f; --warn-paper: #302818;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif;
}
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; }
h1 { font-size: 1.25rem; margin: 0; font-weight: 600; overflow-wrap: anywhere; }
h1::before {
  content: ''; display: inline-block; width: .7em; height: .7em; margin-right: .5em; border-radius: 50%;
  background: var(--dim);
}
[data-verdict='healthy'] h1::before { background: var(--good); }
[data-verdict='starting'] h1::before { background: var(--warn); }
[data-verdict='degraded'] h1::before { background: var(--bad); }
h2 { font-size: 1rem; margin: 0; font-weight: 600; }
#age { margin: 0 0 0 auto; color: var(--dim); font-variant-numeric: tabular-nums; }
.banner {
  margin: 1rem 0 0; padding: .6rem .9rem; border: 1px solid var(--bad); border-radius: .4rem;
  background: var(--bad-paper);
}
.old main { opacity: .55; }
#figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
#figures > div { padding: .6rem .9rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--raised); }
#figures dt, .note { color: var(--dim); font-size: .85rem; }
#figures dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
#figures dd.note { font-size: .85rem; min-height: 1.5em; }
#figures .trouble { border-color: var(--bad); }
#figures .trouble dd:not(.note) { color: var(--bad); }
#problems section {
  margin: .75rem 0; padding: .6rem .9rem; border-left: .25rem solid var(--bad); border-radius: .2rem;
  background: var(--bad-paper);
}
#problems .warning { border-color: var(--warn); background: var(--warn-paper); }
#problems dl, #facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .3rem 0 0; }
#problems dt, #facts dt { grid-column: 1; color: var(--dim); }
#problems dd, #facts dd { grid-column: 2; margin: 0; overflow-wrap: anywhere; }
code, td { font: .9em/1.5 ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin: 1.5rem 0 .5rem; }
#peer-count { color: var(--dim); }
input {
  font: inherit; padding: .2rem .5rem; color: inherit; background: var(--raised); border: 1px solid var(--line);
  border-radius: .3rem;
}
:focus-visible { outline: 2px solid var(--good); outline-offset: 1px; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: .75rem; letter-spacing: .04em; color: var(--dim); font-weight: 600; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
#peers td { white-space: nowrap; }
#peers td:nth-child(1), #peers td:nth-child(5) { white-space: normal; min-width: 5rem; }
tr.failing td { color: var(--bad); }
tr.pending td { color: var(--warn); }
footer { margin: 2rem 0 0; color: var(--dim); font-size: .85rem; }
a { color: inherit; }
@media (max-width: 42rem) {
  body { padding: .9rem; }
  thead { position: absolute; clip-path: inset(50%); }
  table, tbody, td { display: block; }
  tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  td { display: grid; grid-template-columns: 5.5rem 1fr; border: 0; padding: 0; }
  #peers td { white-space: normal; }
  td::before { content: attr(data-label); color: var(--dim); font-size: .8em; }
  #facts { grid-template-columns: 1fr; }
  #facts dd { grid-column: 1; }
}
`;

/** The edge of a cloth. */
export const PAGE_ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M1 4h14M1 8h14M1 12h10M12 1v14M8 1v14M4 1v14" fill="none" stroke="#1d7f4e" stroke-width="1.6"/></svg>
`;
