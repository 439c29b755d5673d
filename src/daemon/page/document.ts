/** The page's markup. It holds nothing of the agent: `src/page/` fills it in from the status document. */

/** Addresses are relative, so that a proxy may put the page below a path of its own. */
export const PAGE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>selvedge</title>
<link rel="icon" type="image/svg+xml" href="page/icon.svg">
<link rel="stylesheet" href="page/page.css">
<script type="module" src="page/main.js"></script>
</head>
<body>
<header>
<p id="where">selvedge</p>
<p id="age"></p>
<h1 id="verdict"><span id="word" role="status">waiting</span> <span id="reason">for the agent …</span></h1>
</header>
<noscript><p class="banner">This page needs JavaScript; <a href="status.json">status.json</a> tells the same.</p></noscript>
<p id="away" class="banner" role="alert" hidden></p>
<main>
<dl id="figures"></dl>
<div id="problems"></div>
<section>
<div class="bar">
<h2>Peers</h2>
<span id="peer-count" role="status"></span>
<label>Filter <input id="filter" type="search" autocomplete="off" spellcheck="false" aria-controls="peers"></label>
</div>
<table class="peers">
<thead><tr>PEER_TITLES</tr></thead>
<tbody id="peers"></tbody>
</table>
</section>
<section id="set-aside-part" hidden>
<div class="bar"><h2>Leases set aside</h2></div>
<table class="set-aside">
<thead><tr><th scope="col">LEASE</th><th scope="col">CODE</th><th scope="col">REASON</th></tr></thead>
<tbody id="set-aside"></tbody>
</table>
</section>
<section>
<div class="bar"><h2>This host</h2></div>
<dl id="facts"></dl>
</section>
</main>
<footer>Read-only. The same in a terminal: <code>selvedge status</code>; for programs: <a href="status.json">status.json</a>, <a href="metrics">metrics</a>.</footer>
</body>
</html>
`;
