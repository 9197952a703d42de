// What the agent does to a page: grokputer.reset(seed) and grokputer.act(verb, number, text), each one call from
// Python that answers with the page as it stands then. Injected after observe.js.
"use strict";
(() => {
  const { observe, elements, isHidden, innermost, squeeze, NATIVE, BUTTON_INPUT } = window.grokputer;
  const NEVER_MS = 1e9;
  const FOCUSABLE = "input, textarea, select, button, a[href], [tabindex], [contenteditable]";
  const TAKES_NO_TEXT = `[type=checkbox], [type=radio], [type=file], ${BUTTON_INPUT}`;

  // A dialog would stop the page until somebody answers it.
  window.alert = () => {};
  window.confirm = () => true;
  window.prompt = () => null;

  function page(error = "") {
    const task = core.getUtterance();
    return { task: squeeze(task.utterance || task), lines: observe(), is_done: WOB_DONE_GLOBAL, reward: WOB_RAW_REWARD_GLOBAL, error };
  }

  // Two turns of the event loop: what the page put off with setTimeout(0) is done.
  async function settle() {
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setTimeout(resolve));
  }

  // Pictures have no size before they are there.
  function pictures() {
    const loading = [...document.images].filter((image) => !image.complete);
    return Promise.all(loading.map((image) => new Promise((resolve) => {
      for (const end of ["load", "error"]) image.addEventListener(end, resolve);
    })));
  }

  function mouse(target, type) {
    const box = target.getBoundingClientRect();
    const Kind = type.startsWith("pointer") ? PointerEvent : MouseEvent;
    return target.dispatchEvent(new Kind(type, {
      bubbles: true, cancelable: true, composed: true, view: window, detail: 1, buttons: type.endsWith("down") ? 1 : 0,
      clientX: box.x + box.width / 2, clientY: box.y + box.height / 2,
    }));
  }

  // The actions below return why they cannot be done, or nothing.

  function click(element) {
    const target = element.matches(NATIVE) ? element : innermost(element);
    for (const type of ["pointerover", "mouseover", "mousemove", "pointerdown"]) mouse(target, type);
    if (mouse(target, "mousedown")) (target.closest(FOCUSABLE) || document.activeElement).focus();
    for (const type of ["pointerup", "mouseup", "click"]) mouse(target, type);
  }

  function type(element, text) {
    const isField = element.matches("input, textarea") && !element.matches(TAKES_NO_TEXT);
    if (!isField && !element.isContentEditable) return "it takes no text";
    element.focus();
    const key = { bubbles: true, cancelable: true, key: text.slice(-1) || "Backspace" };
    element.dispatchEvent(new KeyboardEvent("keydown", key));
    if (isField) element.value = text;
    else element.textContent = text;
    element.dispatchEvent(new InputEvent("input", { bubbles: true, data: text, inputType: "insertText" }));
    element.dispatchEvent(new KeyboardEvent("keyup", key));
    element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // Where several can be chosen, choosing again takes back.
  function choose(option) {
    if (option.tagName !== "OPTION") return "it is not an option of a list";
    const list = option.closest("select");
    list.focus();
    option.selected = !(list.multiple && option.selected);
    list.dispatchEvent(new Event("input", { bubbles: true }));
    list.dispatchEvent(new Event("change", { bubbles: true }));
  }

  async function act(verb, number, text) {
    if (WOB_DONE_GLOBAL) return page("the episode is over");
    if (verb === "DONE") {
      core.endEpisode(0, false, "given up");
      return page();
    }
    const element = elements[number - 1];
    if (!element) return page(`there is no [${number}]`);
    if (!element.isConnected || isHidden(element)) return page(`[${number}] is no longer there`);
    if (element.disabled) return page(`[${number}] is disabled`);
    const isOption = element.tagName === "OPTION";
    const error = verb === "TYPE" ? type(element, text) : verb === "SELECT" || isOption ? choose(element) : click(element);
    await settle();
    return page(error && `cannot ${verb} [${number}]: ${error}`);
  }

  // Empties what an earlier episode left in the fields; setting their values would not make them pristine.
  function resetFields() {
    const form = document.body.appendChild(document.createElement("form"));
    form.id = "grokputer-reset";
    const fields = [...document.querySelectorAll("#area :is(input, textarea, select)")];
    const owners = fields.map((field) => field.getAttribute("form"));
    fields.forEach((field) => field.setAttribute("form", form.id));
    form.reset();
    fields.forEach((field, i) => (owners[i] === null ? field.removeAttribute("form") : field.setAttribute("form", owners[i])));
    form.remove();
  }

  // The same page for the same seed, with no time limit and nothing that moves by itself.
  async function reset(seed) {
    core.EPISODE_MAX_TIME = NEVER_MS;
    if (window.jQuery) {
      jQuery.fx.off = true;
      if (jQuery.ui && jQuery.ui.autocomplete) jQuery.ui.autocomplete.prototype.options.delay = 0;
    }
    core.endEpisode(0);
    document.activeElement.blur();
    resetFields();
    Math.seedrandom(seed);
    core.startEpisodeReal();
    await settle();
    while (!WOB_TASK_READY) await settle();
    await pictures();
    return page();
  }

  Object.assign(window.grokputer, { act, reset });
})();
