// What the agent sees of a page: one line per element that can be acted on or read, in document order.
//
//   kind[ size][ color][ disabled][*][=value][:text][number]      button:Ok[6]   input.checkbox*:Bob[2]   rect small red[1]
//
// Injected before the page's own scripts, so that it can see which elements listen for clicks. It knows HTML, ARIA and
// SVG, and no task. Defines grokputer.observe() and what grokputer.act() needs of it.
"use strict";
window.grokputer = (() => {
  const MAX_LINES = 64;   // as many as there are number tokens
  const MAX_TEXT = 200;   // characters of a text or value; longer ones end in "..."
  const MAX_LABEL = 60;   // a longer text beside a field is not its label
  const SMALL_PX = 20;    // shapes smaller than this on their longer side are "small"

  const TASK_CHROME = "#query, #reward-display, #sync-task-cover, #click-canvas, #attention-canvas";
  const NOT_SHOWN = "script, style, template, noscript, head, br, hr";
  const CLOSED = "details:not([open])";  // shows its summary and not its own text
  const BUTTON_INPUT = "[type=button], [type=submit], [type=reset], [type=image]";
  const FIELD = "input:not([type=hidden]), textarea, select";
  const NATIVE = `${FIELD}, button, a, summary`;
  const ROLES = ["tab", "button", "link", "menuitem", "option", "checkbox", "radio", "switch", "slider", "treeitem"];
  const SHAPES = ["rect", "circle", "ellipse", "polygon", "path", "line", "polyline", "text"];
  const STATES = ["aria-selected", "aria-checked", "aria-expanded", "aria-pressed"];
  const STATE_CLASS = /(^|[\s-])(selected|active|checked|current|expanded|open|collapsable)(?=$|\s)/;
  const TELLS_NOTHING = /^(ui-(widget|corner|state|helper|button)|js-|is-|has-|hover|active|selected|last|first|odd|even|open|checked|bold|icon$|fas?$)/;
  const COLORS = {
    black: [0, 0, 0], white: [255, 255, 255], grey: [128, 128, 128], silver: [192, 192, 192], red: [255, 0, 0],
    maroon: [128, 0, 0], orange: [255, 165, 0], brown: [165, 42, 42], gold: [255, 215, 0], yellow: [255, 255, 0],
    olive: [128, 128, 0], lime: [0, 255, 0], green: [0, 128, 0], teal: [0, 128, 128], cyan: [0, 255, 255],
    blue: [0, 0, 255], navy: [0, 0, 128], purple: [128, 0, 128], magenta: [255, 0, 255], pink: [255, 192, 203],
  };

  const listening = new WeakSet();
  const addEventListener = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    const isPress = ["click", "mousedown", "mouseup", "pointerdown"].includes(type);
    if (isPress && this instanceof Element && this !== document.body) listening.add(this);
    return addEventListener.call(this, type, ...rest);
  };

  // ---- What an element is ------------------------------------------------------------------------------------------

  function isHidden(element) {
    if (element.matches(TASK_CHROME) || element.matches(NOT_SHOWN)) return true;
    if (element.tagName === "OPTION") return false;  // has no box while its list is closed
    if (!element.checkVisibility({ visibilityProperty: true })) return true;
    const box = element.getBoundingClientRect();
    if (box.right + scrollX <= 0 || box.bottom + scrollY <= 0) return true;
    return (box.width <= 1 || box.height <= 1) && getComputedStyle(element).overflow !== "visible";
  }

  function isClickable(element) {
    if (element.matches(NATIVE) || ROLES.includes(element.getAttribute("role"))) return true;
    if (listening.has(element) || element.onclick || element.onmousedown || element.isContentEditable) return true;
    return pointsFirst(element);
  }
  function pointsFirst(element) {
    const points = (each) => getComputedStyle(each).cursor === "pointer";
    return points(element) && !(element.parentElement && points(element.parentElement));
  }

  // Whether a press anywhere on the element means the same: not where it only listens for what lies inside it.
  function isOneThing(element) {
    return isClickable(element) && (!listening.has(element) || element.matches(NATIVE) || element.hasAttribute("role")
      || pointsFirst(element) || hasOwnText(innermost(element)));
  }
  const hasOwnText = (element) => [...element.childNodes].some((node) => node instanceof Text && node.data.trim());

  function isOn(element) {
    if (element.tagName === "OPTION") return element.selected;
    if (["checkbox", "radio"].includes(element.type)) return element.checked;
    if (element.tagName === "SUMMARY") return element.parentElement.open;
    const bearer = roleBearer(element);
    for (const state of STATES) if (bearer.hasAttribute(state)) return bearer.getAttribute(state) === "true";
    const item = element.parentElement && element.parentElement.tagName === "LI" ? element.parentElement : element;
    return isClickable(element) && [element, item].some((each) => STATE_CLASS.test(each.getAttribute("class") || ""));
  }

  // A link in a tab is the tab: who presents only, has its parent's role and state.
  function roleBearer(element) {
    return element.getAttribute("role") === "presentation" && element.parentElement ? element.parentElement : element;
  }

  // The innermost element that carries the whole line: what a mouse would hit.
  function innermost(element) {
    const visible = [...element.children].filter((child) => !isHidden(child));
    const isWrapper = visible.length === 1 && !hasOwnText(element) && !(element instanceof SVGElement);
    return isWrapper ? innermost(visible[0]) : element;
  }

  function kindOf(element) {
    const role = roleBearer(element).getAttribute("role");
    if (ROLES.includes(role)) return role;
    if (element.tagName !== "INPUT") return element.tagName.toLowerCase();
    return element.matches(BUTTON_INPUT) ? "button" : `input.${element.type}`;
  }

  // A word that says what the element is for, where its kind does not: ".trash", ".folder", "#search".
  function wordOf(element) {
    const classes = (element.getAttribute("class") || "").split(/\s+/);
    const telling = classes.find((name) => /^[\w-]+$/.test(name) && !TELLS_NOTHING.test(name));
    return telling ? "." + telling.replace(/^ui-/, "") : nameOf(element);
  }
  function nameOf(element) {
    const name = element.getAttribute("name") || element.id;
    return /^[\w-]+$/.test(name) && !/^ui-id-|\d{2,}/.test(name) ? "#" + name : "";
  }

  // ---- Colors ------------------------------------------------------------------------------------------------------

  // The nearest of COLORS, or "" when nothing is painted.
  function colorName(css) {
    const [red, green, blue, alpha = 1] = (css.match(/[\d.]+/g) || []).map(Number);
    if (blue === undefined || alpha === 0) return "";
    const distance = ([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
    return Object.keys(COLORS).reduce((a, b) => (distance(COLORS[b]) < distance(COLORS[a]) ? b : a));
  }
  const backgroundOf = (element) => colorName(getComputedStyle(element).backgroundColor);

  // The color of a painted or framed box of its own; "" for what is mere background.
  function boxColor(element) {
    const box = element.getBoundingClientRect(), color = backgroundOf(element);
    if (element instanceof SVGElement || box.width < 5 || box.height < 5 || !color) return "";
    let outer = element.parentElement;
    while (outer && !backgroundOf(outer)) outer = outer.parentElement;
    const isFramed = getComputedStyle(element).borderTopStyle !== "none";
    return isFramed || !outer || backgroundOf(outer) !== color ? color : "";
  }

  // ---- Text --------------------------------------------------------------------------------------------------------

  const squeeze = (text) => text.replace(/\s+/g, " ").trim();
  const joined = (nodes) => squeeze(nodes.map((node) => node.data).join(" "));

  // The text nodes under a node that can be seen, in order, but for those in `taken`.
  function textNodes(node, taken) {
    if (node instanceof Text) return node.data.trim() && !taken.has(node) && !node.parentElement.matches(CLOSED) ? [node] : [];
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(FIELD) || isHidden(node)) return [];
    return [...node.childNodes].flatMap((child) => textNodes(child, taken));
  }

  const isInline = (node) => node instanceof Text
    || (node instanceof HTMLElement && getComputedStyle(node).display.startsWith("inline"));

  // A field's label: what the page declares, else the text of the largest group around the field that holds nothing
  // else to act on, else the text right beside it. Its text nodes join `taken`, so that no text is shown twice.
  function labelOf(field, clickable, taken) {
    if (field.matches(BUTTON_INPUT)) return squeeze(field.value);
    const declared = field.getAttribute("aria-label") || field.placeholder;
    if (declared) return squeeze(declared);
    for (const nodes of labelCandidates(field, clickable, taken)) {
      const label = joined(nodes).replace(/ ?:$/, "");
      if (!label || label.length > MAX_LABEL) continue;
      nodes.forEach((node) => taken.add(node));
      return label;
    }
    return "";
  }
  function* labelCandidates(field, clickable, taken) {
    for (const label of field.labels || []) yield textNodes(label, taken);
    let group = field;
    while (group.parentElement !== document.body && !textNodes(group, taken).length) {
      const outer = group.parentElement;
      if (clickable.some((other) => other !== field && other !== outer && outer.contains(other))) break;
      group = outer;
    }
    yield group === field ? [] : textNodes(group, taken);
    const beside = ["checkbox", "radio"].includes(field.type) ? group.nextSibling : group.previousSibling;
    if (isInline(beside) && !clickable.includes(beside)) yield textNodes(beside, taken);
  }

  // ---- Lines -------------------------------------------------------------------------------------------------------

  // Every element that makes a line, as {element, kind, text, ...}, in document order.
  function read() {
    const clickable = [...document.body.querySelectorAll("*")].filter((each) => isClickable(each) && !isHidden(each));
    const holders = new Set();  // elements with something to click inside
    for (const element of clickable)
      for (let outer = element.parentElement; outer && !holders.has(outer); outer = outer.parentElement) holders.add(outer);
    const taken = new Set(), found = [];
    const labels = new Map(clickable.filter((each) => each.matches(FIELD)).map((each) => [each, ""]));
    for (const field of labels.keys()) labels.set(field, labelOf(field, clickable, taken));

    const add = (element, parts) => found.push({ element, kind: kindOf(element), ...parts });
    function walk(element) {
      if (isHidden(element)) return;
      if (labels.has(element)) return addField(element);
      if (element instanceof SVGElement && SHAPES.includes(element.tagName)) return add(element, shape(element));
      const isDrawing = element instanceof SVGElement || element.querySelector("svg");
      if (!holders.has(element) && !isDrawing && addWhole(element)) return;
      const before = found.length, prose = proseOf(element);
      for (const child of element.childNodes) {
        if (child === prose[0]) add(element, { text: joined(prose.flatMap((node) => textNodes(node, taken))) });
        if (child instanceof Element && !prose.includes(child)) walk(child);
      }
      if (found.length === before && !textNodes(element, new Set()).length) addWordless(element);
    }
    // The children that make up an element's own running text, which is one line; none when it has no text itself.
    function proseOf(element) {
      const isText = (node) => isInline(node) && textNodes(node, taken).length && !clickable.includes(node) && !holders.has(node);
      const prose = [...element.childNodes].filter(isText);
      return prose.some((node) => node instanceof Text) ? prose : [];
    }
    function addField(field) {
      const hasValue = field.matches("input, textarea") && !field.matches(`[type=checkbox], [type=radio], ${BUTTON_INPUT}`);
      const text = labels.get(field);
      add(field, { kind: kindOf(field) + (text ? "" : nameOf(field)), value: hasValue ? squeeze(field.value) : "", text });
      for (const option of field.options || []) add(option, { text: squeeze(option.text) });
    }
    // An element with text and nothing else to act on inside is one line with all its text.
    function addWhole(element) {
      const text = joined(textNodes(element, taken));
      if (!text || !(isOneThing(element) || proseOf(element).length)) return false;
      const isTelling = !isClickable(element) || element.matches(NATIVE) || ROLES.includes(kindOf(element));
      const teller = isTelling || wordOf(element) ? element : innermost(element);
      add(element, { kind: kindOf(teller) + (isTelling ? "" : wordOf(teller)), text });
      return true;
    }
    function addWordless(element) {
      const name = squeeze(element.getAttribute("aria-label") || element.title || element.alt || "");
      const box = element.getBoundingClientRect(), canPress = isClickable(element) && box.width && box.height;
      const color = name || (element.firstElementChild && !canPress) ? "" : boxColor(element);
      if (element.tagName === "IMG" || color || canPress)
        add(element, { kind: kindOf(element) + (name ? "" : wordOf(element) || wordOf(innermost(element))), color, text: name });
    }
    walk(document.body);
    return found;

    function shape(element) {
      const box = element.getBoundingClientRect(), style = getComputedStyle(element);
      const size = element.tagName === "text" ? "" : Math.max(box.width, box.height) < SMALL_PX ? "small" : "large";
      return { size, color: colorName(style.fill) || colorName(style.stroke), text: squeeze(element.textContent) };
    }
  }

  // At most MAX_LINES, what can be acted on before what can only be read, in document order.
  function select(found) {
    const canAct = ({ element }) => element.tagName === "OPTION" || isClickable(element);
    const ranked = [...found.filter(canAct), ...found.filter((each) => !canAct(each))];
    const kept = new Set(ranked.slice(0, MAX_LINES));
    return found.filter((each) => kept.has(each));
  }

  // A bracketed number inside a text would read as the line's own.
  function plain(text) {
    const short = text.length > MAX_TEXT ? text.slice(0, MAX_TEXT).trim() + "..." : text;
    return short.replace(/\[(\d+)\]/g, "($1)");
  }

  function write({ element, kind, size = "", color = "", value = "", text = "" }, number) {
    const attributes = [size, color, element.disabled ? "disabled" : ""].filter(Boolean).map((word) => " " + word).join("");
    const state = isOn(element) ? "*" : "";
    return kind + attributes + state + (value && "=" + plain(value)) + (text && ":" + plain(text)) + `[${number}]`;
  }

  // The page's lines; elements[i] is what line i + 1 stands for until the next look.
  const elements = [];
  function observe() {
    const found = select(read());
    elements.splice(0, Infinity, ...found.map(({ element }) => element));
    return found.map((each, i) => write(each, i + 1));
  }

  return { observe, elements, isHidden, innermost, squeeze, NATIVE, BUTTON_INPUT };
})();
