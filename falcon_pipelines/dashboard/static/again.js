// On a page that waits for something outside the browser: looks every data-every seconds whether the server says
// something else by now, and goes there. A page that says the same stays, with the reader's place in it.
"use strict";
(() => {
  const every = 1000 * Number(document.currentScript.dataset.every);
  const said = document.querySelector("h1").textContent;
  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(every) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (page.querySelector("h1")?.textContent !== said) { location.reload(); return; }
    } catch {
      // No answer: the page stays as it is.
    }
    setTimeout(look, every);
  };
  setTimeout(look, every);
})();
