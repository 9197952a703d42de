// Shortcuts, drafts and live pages. Every page works without this file.
const typesText = (place) => place.matches("textarea, select, input:not([type=radio], [type=checkbox])");

// What was just saved can be changed with one key, and needs no draft any more.
const undo = document.querySelector(".said a");
if (undo) {
  localStorage.removeItem("draft:" + new URL(undo.href).pathname.split("/")[2]);
  document.addEventListener("keydown", (event) => {
    if (event.key === "u" && !event.ctrlKey && !event.metaKey && !event.altKey && !typesText(event.target)) undo.click();
  });
}

const form = document.querySelector("form.rate");
if (form) {
  const kept = "draft:" + form.dataset.run;
  const fields = ["stars", "comment", "correction", "own_issue", "step"];
  const draft = JSON.parse(localStorage.getItem(kept) || "{}");
  for (const name of fields) if (draft[name] && form[name]) form[name].value = draft[name];
  for (const box of form.querySelectorAll("[name=issue]")) if (draft.issue) box.checked = draft.issue.includes(box.value);
  if (draft.correction) form.querySelector("details").open = true;
  form.addEventListener("input", () => {
    const now = { issue: [...form.querySelectorAll("[name=issue]:checked")].map((box) => box.value) };
    for (const name of fields) if (form[name]) now[name] = form[name].value;
    localStorage.setItem(kept, JSON.stringify(now));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter") {
      event.preventDefault();
      form.requestSubmit(form.querySelector("button[value=next]"));
    } else if (event.ctrlKey || event.metaKey || event.altKey || typesText(event.target)) {
      return;
    } else if ("12345".includes(event.key)) {
      const star = form.querySelector(`[name=stars][value="${event.key}"]`);
      star.checked = true;
      star.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (event.key === "n") {
      form.querySelector("a[rel=next]").click();
    }
  });
}

// The word that is being corrected is marked on its picture.
document.querySelector("form.reading")?.addEventListener("focusin", (event) => {
  for (const link of event.currentTarget.querySelectorAll("svg a")) {
    link.classList.toggle("now", link.getAttribute("href") === `#${event.target.id}`);
  }
});

// A run with pictures of its screens plays back: the pictures are those of the page, so nothing more is loaded. What is done is
// said by the live region, but not while it plays. Whoever wants less motion goes from step to step.
const player = document.querySelector(".player"), screens = [...document.querySelectorAll(".step .screen")];
if (player && screens.length > 1) {
  const [play, back, on] = player.querySelectorAll("button"), told = player.querySelector("output");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let at = 0, timer = 0;
  function show(next) {
    at = Math.max(0, Math.min(next, screens.length - 1));
    if (timer && at === screens.length - 1) pause();
    const step = screens[at].closest(".step"), did = step.querySelector(".did");
    player.querySelector("div").replaceChildren(screens[at].cloneNode(true));
    told.textContent = `${step.querySelector("h2").firstChild.data.trim()}: ${did.textContent.trim()}`;
  }
  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    told.setAttribute("aria-live", "polite");
  }
  function go(next) {
    pause();
    show(next);
  }
  const keys = { ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), Home: () => go(0), End: () => go(screens.length - 1) };
  back.onclick = keys.ArrowLeft;
  on.onclick = keys.ArrowRight;
  play.onclick = () => {
    if (timer) return pause();
    play.textContent = "Pause";
    told.setAttribute("aria-live", "off");
    timer = setInterval(() => show(at + 1), 1200);
    show(at === screens.length - 1 ? 0 : at);
  };
  player.onkeydown = (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  };
  still.onchange = () => {
    pause();
    play.hidden = still.matches;
  };
  still.onchange();
  player.hidden = false;
  show(0);
}

// Parts marked data-live are loaded again when the log grows, at most once a second.
if (document.querySelector("[data-live]")) {
  let source = null, seen = document.body.dataset.position, waiting = false;
  function follow() {
    source = new EventSource("/live");
    source.onmessage = look;
  }
  function leave() {
    source?.close();
    source = null;
  }
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [sheet];
  async function load() {
    waiting = false;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) return leave();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    sheet.replaceSync(page.getElementById("drawn").textContent);
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && !part.contains(document.activeElement)) part.replaceChildren(...fresh.childNodes);
    }
  }
  function look(message) {
    if (message.data === seen) return;
    seen = message.data;
    if (!waiting) {
      waiting = true;
      setTimeout(load, 1000);
    }
  }
  // A browser opens six connections to a host: a tab that nobody sees must not hold one.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : source || follow()));
  addEventListener("pagehide", leave);
  if (!document.hidden) follow();
}
