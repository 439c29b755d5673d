/**
 * The page's looks: light and dark as the reader's system has it. Columns have widths of their own, so that nothing moves
 * when a figure gets another digit; where these do not fit, a row is a card of three lines.
 */
export const PAGE_CSS = `
:root {
  color-scheme: light dark;
  --paper: #f7f8f8; --raised: #ffffff; --ink: #1a2124; --dim: #566166; --line: #dfe3e3; --edge: #7f8a8e;
  --good: #17703f; --warn: #855300; --bad: #b3261e; --warn-paper: #fdf4e1; --bad-paper: #fdeeec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #121618; --raised: #1a2023; --ink: #e4e8e8; --dim: #9ca8ac; --line: #2b3337; --edge: #6e7a7f;
    --good: #5fc893; --warn: #e6b252; --bad: #f5928a; --warn-paper: #2c2518; --bad-paper: #33201f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem; max-width: 78rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%;
}
header { display: grid; grid-template-columns: 1fr max-content; gap: .1rem 1rem; }
header p { margin: 0; color: var(--dim); font-size: .87rem; overflow-wrap: anywhere; }
h1 { grid-column: 1 / -1; margin: 0; font-size: 1.05rem; line-height: 1.6; font-weight: 400; overflow-wrap: anywhere; }
#word { margin-right: .35rem; font-size: 1.4rem; font-weight: 600; }
#word::before {
  content: ''; display: inline-block; width: .6em; height: .6em; margin-right: .45em; border-radius: 50%;
  background: var(--edge);
}
[data-verdict='healthy'] #word::before { background: var(--good); }
[data-verdict='starting'] #word::before { background: var(--warn); }
[data-verdict='degraded'] #word::before { background: var(--bad); }
h2 { margin: 0; font-size: 1rem; font-weight: 600; }
.banner {
  margin: 1rem 0 0; padding: .6rem .9rem; border: 1px solid var(--bad); border-radius: .4rem;
  background: var(--bad-paper);
}
.old main { opacity: .6; }
#figures { display: grid; grid-template-columns: repeat(6, 1fr); gap: .75rem; margin: 1rem 0; }
#figures > div {
  display: grid; grid-template-rows: auto auto 1.5rem; padding: .6rem .9rem; border: 1px solid var(--line);
  border-radius: .4rem; background: var(--raised);
}
#figures dt, .note { color: var(--dim); font-size: .85rem; white-space: nowrap; }
#figures dd { margin: 0; font-size: 1.2rem; white-space: nowrap; }
#figures dd.note { font-size: .85rem; }
#figures .trouble { border-color: var(--bad); }
#figures .trouble dd:not(.note) { color: var(--bad); }
#problems section {
  margin: .75rem 0; padding: .6rem .9rem; border-left: .25rem solid var(--bad); border-radius: .2rem;
  background: var(--bad-paper);
}
#problems h2 { color: var(--bad); }
#problems .warning { border-color: var(--warn); background: var(--warn-paper); }
#problems .warning h2 { color: var(--warn); }
#problems dl, #facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .3rem 0 0; }
#facts { grid-template-columns: 6rem 1fr; margin: 0; padding: .6rem .9rem; }
dt { color: var(--dim); }
#problems dt, #facts dt { grid-column: 1; }
#problems dd, #facts dd { grid-column: 2; margin: 0; overflow-wrap: anywhere; }
#facts dd + dt, #facts dd + dt + dd { margin-top: .3rem; }
code, table { font: .87rem/1.5 ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin: 1.75rem 0 .5rem; }
label { margin-left: auto; color: var(--dim); }
#peer-count { color: var(--dim); }
input {
  width: 16rem; margin-left: .4rem; padding: .25rem .6rem; border: 1px solid var(--edge); border-radius: .3rem;
  background: var(--raised); color: inherit; font: inherit;
}
:focus-visible { outline: 2px solid var(--good); outline-offset: 1px; }
table, #facts { border: 1px solid var(--line); border-radius: .4rem; background: var(--raised); }
table { width: 100%; border-spacing: 0; table-layout: fixed; overflow: hidden; }
table:has(tbody:empty) { display: none; }
th {
  padding: .45rem .6rem; color: var(--dim); font: 600 .75rem/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif;
  letter-spacing: .04em; text-align: left;
}
td { padding: .3rem .6rem; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th:first-child, td:first-child { padding-left: .9rem; }
.peers th:nth-child(1) { width: 15%; }
.peers th:nth-child(2) { width: 10.3rem; }
.peers th:nth-child(3) { width: 9.1rem; }
.peers th:nth-child(4) { width: 4.9rem; }
.peers th:nth-child(6) { width: 5.4rem; }
.peers th:nth-child(7) { width: 8rem; }
.peers th:nth-child(8) { width: 7.5rem; }
.peers :is(th, td):nth-child(n + 6) { text-align: right; }
.peers :is(th, td):last-child { padding-right: .9rem; }
.peers tr.failing td { background: var(--bad-paper); }
.peers tr.pending td { background: var(--warn-paper); }
.peers tr.failing td:nth-child(5) { color: var(--bad); font-weight: 600; }
.peers tr.pending td:nth-child(5) { color: var(--warn); font-weight: 600; }
.set-aside th:nth-child(1) { width: 30%; }
.set-aside th:nth-child(2) { width: 12rem; }
footer { margin: 1.5rem 0 0; color: var(--dim); font-size: .85rem; }
a { color: inherit; }
@media (max-width: 68rem) {
  #figures { grid-template-columns: repeat(3, 1fr); }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tr { display: grid; gap: 0 1ch; padding: .45rem .9rem; border-top: 1px solid var(--line); }
  tr:first-child { border-top: 0; }
  td, td:first-child, .peers td:last-child { padding: 0; border: 0; }
  .peers tr { grid-template-columns: auto auto minmax(max-content, 1fr); font-size: .82rem; }
  .peers td:nth-child(1) { grid-area: 1 / 1 / auto / 3; font-weight: 600; }
  .peers td:nth-child(2) { grid-area: 2 / 1; }
  .peers td:nth-child(3) { grid-area: 3 / 1; }
  .peers td:nth-child(3)::before { content: 'via '; color: var(--dim); }
  .peers td:nth-child(4) { grid-area: 3 / 2; }
  .peers td:nth-child(5) { grid-area: 1 / 3; text-align: right; }
  .peers td:nth-child(6) { grid-area: 2 / 3; }
  .peers td:nth-child(7) { grid-area: 2 / 2; text-align: left; }
  .peers td:nth-child(7)::before { content: 'MTU '; color: var(--dim); }
  .peers td:nth-child(8) { grid-area: 3 / 3; }
  .peers tr.failing { background: var(--bad-paper); }
  .peers tr.pending { background: var(--warn-paper); }
  .peers tr.refused td:nth-child(5) { grid-area: 4 / 1 / auto / 4; text-align: left; }
  .set-aside td:nth-child(2) { color: var(--dim); }
}
@media (max-width: 34rem) {
  body { padding: .9rem; }
  #figures { grid-template-columns: repeat(2, 1fr); gap: .5rem; }
  label { width: 100%; margin: 0; display: flex; align-items: center; }
  input { flex: 1; min-width: 0; }
  #facts { grid-template-columns: 1fr; }
  #facts dd { grid-column: 1; }
  #facts dd + dt + dd { margin-top: 0; }
}
`;

/** The edge of a cloth. */
export const PAGE_ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M1 4h14M1 8h14M1 12h10M12 1v14M8 1v14M4 1v14" fill="none" stroke="#1d7f4e" stroke-width="1.6"/></svg>
`;
