// Keeps the counts and the states of an open page as they are. Without it, reload the page.
"use strict";
const put = (id, text) => {
  const at = document.getElementById(id);
  if (at && at.textContent !== text) at.textContent = text;
};
setInterval(async () => {
  try {
    const s = await (await fetch("/state?lang=" + document.documentElement.lang)).json();
    for (const k of ["logins", "tries", "crossings", "assisted"]) put(k, String(s.tally[k]));
    put("wall", s.words);
    document.getElementById("wall").className = s.wall ? "stands" : "down";
    for (const m of s.sentences) {
      put("state-" + m.id, m.words);
      const at = document.getElementById("state-" + m.id);
      if (at) at.className = "state " + m.state;
    }
  } catch {
    put("wall", "…");
  }
}, 2000);
