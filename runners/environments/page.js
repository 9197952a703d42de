// What Grokputer knows of a page: reset(seed), observe() and act(verb, number, text), each one call from Python.
// Injected before the page's own scripts, so that it can see which elements listen for clicks.
"use strict";
(() => {
  if (window.grokputer) return;

  const MAX_LINES = 64, MAX_TEXT = 200, MAX_LABEL = 60, NEVER_MS = 1e9;
  const CHROME = "#query, #reward-display, #sync-task-cover, #click-canvas, #attention-canvas";
  const UNSEEN = "script, style, template, noscript, head, br, hr";
  const CONTROL = "input:not([type=hidden]), textarea, select";
  const LABELLED = "input:not([type=hidden], [type=button], [type=submit], [type=reset], [type=image]), textarea, select";
  const NATIVE = `${CONTROL}, button, a, summary`;
  const ROLES = ["tab", "button", "link", "menuitem", "option", "checkbox", "radio", "switch", "slider", "treeitem"];
  const SHAPES = ["rect", "circle", "ellipse", "polygon", "path", "line", "polyline", "text"];
  const STATE_CLASSES = /(^|[\s-])(selected|active|checked|current|expanded|open|collapsable|collapsible-open)(?=$|\s)/;
  const NOISE_CLASS = /^(ui-(widget|corner|state|helper|button|sortable|draggable|droppable)|js-|is-|has-|hover|active|selected|last|first|odd|even|open|checked|bold)/;
  const COLORS = {
    black: [0, 0, 0], white: [255, 255, 255], grey: [128, 128, 128], silver: [192, 192, 192], red: [255, 0, 0],
    maroon: [128, 0, 0], orange: [255, 165, 0], brown: [165, 42, 42], gold: [255, 215, 0], yellow: [255, 255, 0],
    olive: [128, 128, 0], lime: [0, 255, 0], green: [0, 128, 0], teal: [0, 128, 128], cyan: [0, 255, 255],
    blue: [0, 0, 255], navy: [0, 0, 128], purple: [128, 0, 128], magenta: [255, 0, 255], pink: [255, 192, 203],
  };

  const listening = new WeakSet();
  const addEventListener = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    if (["click", "mousedown", "mouseup", "pointerdown"].includes(type) && this instanceof Element) listening.add(this);
    return addEventListener.call(this, type, ...rest);
  };
  window.alert = () => {};
  window.confirm = () => true;
  window.prompt = () => null;

  let elements = [];  // elements[i] is what line i + 1 stands for

  // ---- Reading -----------------------------------------------------------------------------------------------------

  const squeeze = (text) => text.replace(/\s+/g, " ").trim();
  const shorten = (text, length) => (text.length > length ? text.slice(0, length).trim() + "…" : text);

  function isHidden(element) {
    if (element.matches(CHROME) || element.matches(UNSEEN)) return true;
    if (element.tagName === "OPTION") return false;
    if (!element.checkVisibility({ visibilityProperty: true })) return true;
    const box = element.getBoundingClientRect();
    if (box.right + scrollX <= 0 || box.bottom + scrollY <= 0) return true;
    return (box.width <= 1 || box.height <= 1) && getComputedStyle(element).overflow !== "visible";
  }

  // The text nodes under a node that can be seen, in order, but for those in `taken`.
  function* textNodes(node, taken) {
    if (node.nodeType === Node.TEXT_NODE) {
      if (node.data.trim() && !taken.has(node)) yield node;
    } else if (node.nodeType === Node.ELEMENT_NODE && !isHidden(node) && !node.matches(CONTROL)) {
      for (const child of node.childNodes) yield* textNodes(child, taken);
    }
  }
  const textOf = (node, taken) => squeeze([...textNodes(node, taken)].map((text) => text.data).join(" "));

  function isClickable(element) {
    if (element.matches(NATIVE) || ROLES.includes(element.getAttribute("role"))) return true;
    if (listening.has(element) || element.onclick || element.onmousedown || element.isContentEditable) return true;
    const parent = element.parentElement;
    return getComputedStyle(element).cursor === "pointer" && !(parent && getComputedStyle(parent).cursor === "pointer");
  }

  const hasInside = (element, test) =>
    [...element.querySelectorAll("*")].some((inner) => test(inner) && !isHidden(inner));

  // A control's label: what the page declares, else the text of the largest group that holds no other control,
  // else the text right before it. Its text nodes are added to `taken`, so that no text is shown twice.
  function labelOf(control, taken) {
    const declared = control.getAttribute("aria-label") || control.placeholder;
    if (declared) return squeeze(declared);
    for (const nodes of labelCandidates(control, taken)) {
      const label = squeeze(nodes.map((text) => text.data).join(" ")).replace(/ ?:$/, "");
      if (!label || label.length > MAX_LABEL) continue;
      nodes.forEach((text) => taken.add(text));
      return label;
    }
    return "";
  }
  function* labelCandidates(control, taken) {
    for (const label of control.labels || []) yield [...textNodes(label, taken)];
    let group = control;
    for (let outer = control.parentElement; outer && outer !== document.body; outer = outer.parentElement) {
      if ([...outer.querySelectorAll(`${NATIVE}, [role]`)].some((other) => other !== control && !isHidden(other))) break;
      group = outer;
      const nodes = [...textNodes(group, taken)];
      if (nodes.length) { yield nodes; break; }
    }
    const before = group.previousSibling;
    if (before && before.nodeType === Node.TEXT_NODE) yield [...textNodes(before, taken)];
    else if (before && getComputedStyle(before).display.startsWith("inline") && !before.matches(NATIVE))
      yield [...textNodes(before, taken)];
  }

  function colorName(css) {
    const [red, green, blue, alpha = 1] = (css.match(/[\d.]+/g) || []).map(Number);
    if (blue === undefined || alpha === 0) return "";
    const distance = ([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
    return Object.keys(COLORS).reduce((a, b) => (distance(COLORS[b]) < distance(COLORS[a]) ? b : a));
  }
  function backgroundOf(element) {
    for (let outer = element; outer; outer = outer.parentElement) {
      const color = colorName(getComputedStyle(outer).backgroundColor);
      if (color) return color;
    }
    return "white";
  }
  function isColoredBox(element) {
    const box = element.getBoundingClientRect();
    return box.width >= 5 && box.height >= 5 && colorName(getComputedStyle(element).backgroundColor) !== ""
      && backgroundOf(element) !== backgroundOf(element.parentElement) || element.matches("[data-color]");
  }

  // A word that says what the element is for, where its tag does not: `.trash`, `.folder`, `#search`.
  function wordOf(element) {
    for (const name of String(element.getAttribute("class") || "").split(/\s+/))
      if (name && !NOISE_CLASS.test(name)) return "." + name.replace(/^ui-/, "");
    return nameOf(element);
  }
  function nameOf(element) {
    const name = element.getAttribute("name") || element.id;
    return name && !/^ui-id-|\d{2,}/.test(name) ? "#" + name : "";
  }

  function isOn(element) {
    if (element.tagName === "OPTION") return element.selected;
    if (["checkbox", "radio"].includes(element.type)) return element.checked;
    for (const state of ["aria-selected", "aria-checked", "aria-expanded", "aria-pressed"])
      if (element.hasAttribute(state)) return element.getAttribute(state) === "true";
    if (element.tagName === "SUMMARY") return element.parentElement.open;
    const item = element.parentElement && element.parentElement.tagName === "LI" ? element.parentElement : element;
    return isClickable(element) && [element, item].some((each) => STATE_CLASSES.test(each.getAttribute("class") || ""));
  }

  // ---- Lines -------------------------------------------------------------------------------------------------------

  function roleOf(element) {
    const role = element.getAttribute("role");
    return role === "presentation" && element.parentElement ? element.parentElement.getAttribute("role") : role;
  }

  function kindOf(element) {
    const role = roleOf(element);
    if (ROLES.includes(role)) return role;
    const tag = element.tagName.toLowerCase();
    if (tag !== "input") return tag;
    return ["button", "submit", "reset", "image"].includes(element.type) ? "button" : `input.${element.type}`;
  }

  function controlLine(element, labels) {
    const text = labels.has(element) ? labels.get(element) : squeeze(element.value);
    const hasValue = element.matches("input, textarea") && !/^(checkbox|radio|button|submit|reset|image)$/.test(element.type);
    return { kind: kindOf(element) + (text ? "" : nameOf(element)), value: hasValue ? squeeze(element.value) : "", text };
  }

  function shapeLine(element) {
    const tag = element.tagName.toLowerCase();
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    const size = Math.max(box.width, box.height) < 20 ? "small" : "large";
    const color = colorName(style.fill) || colorName(style.stroke);
    if (tag === "text") return { kind: tag, text: squeeze(element.textContent), color };
    return { kind: tag, size, color, text: "" };
  }

  function clickableLine(element, taken) {
    const text = textOf(element, taken) || squeeze(element.getAttribute("aria-label") || element.title || element.alt || "");
    const isSelfEvident = text && (element.matches(NATIVE) || ROLES.includes(roleOf(element)));
    const telling = isSelfEvident || wordOf(element) ? element : innermost(element);
    return { kind: kindOf(telling) + (isSelfEvident ? "" : wordOf(telling)), text,
      color: !text && isColoredBox(element) ? backgroundOf(element) : "" };
  }

  // Walks the page in document order and calls emit(element, line) for every line.
  function walk(element, labels, taken, emit) {
    if (isHidden(element)) return;
    if (element.matches(CONTROL)) {
      emit(element, controlLine(element, labels));
      if (element.tagName === "SELECT")
        for (const option of element.options) emit(option, { kind: "option", text: squeeze(option.text) });
      return;
    }
    if (element instanceof SVGElement && SHAPES.includes(element.tagName)) return emit(element, shapeLine(element));
    const isLeaf = !hasInside(element, isClickable);
    if (isLeaf && isClickable(element)) {
      const line = clickableLine(element, taken);
      const box = element.getBoundingClientRect();
      const isEmptyGround = !line.text && (element.firstElementChild || !box.width || !box.height);
      if (!isEmptyGround || element.matches(NATIVE)) return emit(element, line);
    }
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    const ownText = squeeze(own.flatMap((node) => [...textNodes(node, taken)]).map((text) => text.data).join(" "));
    if (ownText && isLeaf && !hasInside(element, (inner) => inner instanceof SVGElement))
      return emit(element, { kind: kindOf(element), text: textOf(element, taken) });
    if (ownText) emit(element, { kind: kindOf(element), text: ownText });
    else if (element.tagName === "IMG") emit(element, { kind: "img" + (element.alt ? "" : wordOf(element)), text: element.alt });
    else if (!element.firstElementChild && isColoredBox(element) && !textOf(element, new Set()))
      emit(element, { kind: kindOf(element) + wordOf(element), color: backgroundOf(element), text: "" });
    for (const child of element.children) walk(child, labels, taken, emit);
  }

  function observe() {
    const taken = new Set(), labels = new Map(), found = [];
    for (const control of document.querySelectorAll(LABELLED))
      if (!isHidden(control)) labels.set(control, labelOf(control, taken));
    walk(document.body, labels, taken, (element, line) => found.push({ element, line }));
    let kept = found;
    if (found.length > MAX_LINES) {
      const important = new Set(found.filter(({ element }) => isClickable(element) || element.tagName === "OPTION").slice(0, MAX_LINES));
      for (const each of found) if (important.size < MAX_LINES) important.add(each);
      kept = found.filter((each) => important.has(each));
    }
    elements = kept.map(({ element }) => element);
    return kept.map(({ element, line }, i) => write(element, line, i + 1));
  }

  function write(element, { kind, size = "", color = "", value = "", text }, number) {
    const attributes = [size, color, element.disabled ? "disabled" : ""].filter(Boolean).map((word) => " " + word).join("");
    return kind + attributes + (isOn(element) ? "*" : "") + (value ? "=" + shorten(value, MAX_TEXT) : "")
      + (text ? ":" + shorten(text, MAX_TEXT) : "") + `[${number}]`;
  }

  function page(error = "") {
    const utterance = core.getUtterance();
    return { task: squeeze(typeof utterance === "string" ? utterance : utterance.utterance), lines: observe(),
      is_done: WOB_DONE_GLOBAL, reward: WOB_RAW_REWARD_GLOBAL, error };
  }

  // ---- Acting ------------------------------------------------------------------------------------------------------

  // Two turns of the event loop: work that the page put off with setTimeout(0) is done.
  const settle = async () => { for (let i = 0; i < 2; i++) await new Promise((resolve) => setTimeout(resolve)); };

  function mouse(element, type, extra = {}) {
    const box = element.getBoundingClientRect();
    const Kind = type.startsWith("pointer") ? PointerEvent : MouseEvent;
    return element.dispatchEvent(new Kind(type, { bubbles: true, cancelable: true, composed: true, view: window, detail: 1,
      clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, ...extra }));
  }

  // The innermost element that carries the whole line: what a mouse would hit.
  function innermost(element) {
    const visible = [...element.children].filter((child) => !isHidden(child));
    const owns = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return visible.length === 1 && !owns && !(element instanceof SVGElement) ? innermost(visible[0]) : element;
  }

  function click(element) {
    const target = element.matches(NATIVE) ? element : innermost(element);
    for (const type of ["pointerover", "mouseover", "mousemove", "pointerdown"]) mouse(target, type);
    if (mouse(target, "mousedown", { buttons: 1 })) {
      const focusable = target.closest("input, textarea, select, button, a[href], [tabindex], [contenteditable]");
      if (focusable) focusable.focus();
      else if (document.activeElement) document.activeElement.blur();
    }
    for (const type of ["pointerup", "mouseup", "click"]) mouse(target, type);
  }

  function type(element, text) {
    if (!element.isContentEditable && (!element.matches("input, textarea") || /^(checkbox|radio|button|submit|reset|image|file)$/.test(element.type)))
      return "it takes no text";
    element.focus();
    const key = { bubbles: true, cancelable: true, key: text.slice(-1) || "Backspace" };
    element.dispatchEvent(new KeyboardEvent("keydown", key));
    if (element.isContentEditable) element.textContent = text;
    else element.value = text;
    element.dispatchEvent(new InputEvent("input", { bubbles: true, data: text, inputType: "insertText" }));
    element.dispatchEvent(new KeyboardEvent("keyup", key));
    element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function choose(option) {
    if (option.tagName !== "OPTION") return "it is not an option";
    const list = option.closest("select");
    list.focus();
    option.selected = list.multiple ? !option.selected : true;
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
    if (!element.isConnected) return page(`[${number}] is no longer there`);
    if (element.disabled) return page(`[${number}] is disabled`);
    let error;
    if (verb === "TYPE") error = type(element, text);
    else if (verb === "SELECT" || element.tagName === "OPTION") error = choose(element);
    else error = click(element);
    await settle();
    return page(error ? `cannot ${verb} [${number}]: ${error}` : "");
  }

  async function reset(seed) {
    core.EPISODE_MAX_TIME = NEVER_MS;
    if (window.jQuery) {
      jQuery.fx.off = true;
      if (jQuery.ui && jQuery.ui.autocomplete) jQuery.ui.autocomplete.prototype.options.delay = 0;
    }
    if (document.activeElement) document.activeElement.blur();
    for (const control of document.querySelectorAll("#area input, #area textarea")) {
      control.value = control.defaultValue;
      control.checked = control.defaultChecked;
    }
    core.endEpisode(0);
    Math.seedrandom(seed);
    core.startEpisodeReal();
    await settle();
    while (!WOB_TASK_READY) await settle();
    return page();
  }

  window.grokputer = { reset, act };
})();
