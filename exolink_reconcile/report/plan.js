"use strict";
// The rows of a plan, searched and filtered; only what is near the screen is in the page. Every text is put in place with
// `textContent`: nothing of a plan is ever read as HTML (the policy of the page forbids it too).
(() => {
  const BLOCK = 25;              // rows that come and go together
  const NEAR = 300;             // pixels: how near the screen a block is filled
  const plan = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const [search, tenant, kind, unfold, status, toolbar] =
    ["search", "tenant", "kind", "unfold", "status", "toolbar"].map(byId);
  const chips = [...toolbar.querySelectorAll(".chip")];
  const total = plan.sections.reduce((sum, section) => sum + section.rows.length, 0);
  const links = new Map(plan.links);
  const several = new Set(plan.sections.flatMap((section) => section.rows.map((row) => row[0]))).size > 1;
  const opened = new Set();     // rows and runs that the reader unfolded; with "Unfold all" those that he folded
  let current = null;           // {section, at}: the row that the keyboard is at

  // ---------------------------------------------------------------------------------------------------------- rows

  function element(tag, className, ...content) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...content);
    return made;
  }

  function bdi(text) {
    const made = document.createElement("bdi");
    made.textContent = text;
    return made;
  }

  const isLong = (text) => text !== null && text.length > plan.long;
  const cut = (text) =>
    isLong(text) ? `${text.slice(0, plan.long)}… (${text.length.toLocaleString("en")} characters)` : text;

  // A row is [tenant, kind, name, place, what, [[field, before, after]], sentences, ways out]: see _Row in html.py.
  const hasLong = ([, , name, place, what, fields]) =>
    [name, place, what].some(isLong) || fields.some((change) => change.some(isLong));

  function changes(tag, fields, shown) {
    return fields.map(([name, before, after]) => {
      const made = element(tag, "change", element("span", "field", bdi(shown(name))), " ");
      if (before !== null) made.append(element("del", "", bdi(shown(before))));
      if (before !== null && after !== null) made.append(" → ");
      if (after !== null) made.append(element("ins", "", bdi(shown(after))));
      return made;
    });
  }

  function line(section, [tenantName, kindName, name, place, what, fields, , , besides], tag) {
    const mark = element("span", "mark", section.mark);
    mark.ariaHidden = "true";
    const where = element("span", "where", element("span", "unseen", `${section.label} `),
      bdi(`${tenantName}/${kindName}/`), element("b", "", bdi(cut(name))));
    const happens = element("span", "what",
      ...(what ? [element("span", "say", bdi(cut(what)))] : changes("span", fields, cut)));
    if (besides) happens.append(" ", element("span", "say", bdi(besides)));
    const made = element(tag, "line", mark, where, happens);
    // No link inside of what unfolds on a click: it is in the unfolded part.
    if (place) made.append(element("span", "place", tag === "summary" ? bdi(cut(place)) : linked(place)));
    made.tabIndex = -1;
    return made;
  }

  // The path of a place may hold colons; its line and column are the last two numbers.
  function linked(place) {
    const [, path, number] = /^(.*):(\d+):\d+$/s.exec(place) ?? [];
    return links.get(path) ? link(`${links.get(path)}#L${number}`, bdi(cut(place))) : bdi(cut(place));
  }

  function link(href, ...content) {
    const made = element("a", "", ...content);
    made.href = href;
    made.rel = "noreferrer";
    return made;
  }

  // The same as `_anchor` in html.py: the action, and the CRC-32 of the address.
  const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
  function anchor(section, [tenantName, kindName, name]) {
    let sum = -1;
    for (const byte of new TextEncoder().encode(`${tenantName}/${kindName}/${name}`)) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
    return `${section.word}-${((sum ^ -1) >>> 0).toString(16).padStart(8, "0")}`;
  }

  function runLine(section, [start, size, shared, own, names]) {
    const [tenantName, kindName] = section.rows[start];
    const mark = element("span", "mark", section.mark);
    mark.ariaHidden = "true";
    const where = element("span", "where", element("span", "unseen", `${section.label} `),
      bdi(`${tenantName}/${kindName}/`), element("b", "", `${size.toLocaleString("en")} alike`));
    const happens = element("span", "what", ...changes("span", shared, cut));
    if (own) happens.append(element("span", "say", bdi(own)));
    happens.append(element("span", "names", bdi(names)));
    const made = element("summary", "line", mark, where, happens);
    made.tabIndex = -1;
    return made;
  }

  function more(section, row) {
    const [, , name, place, what, fields, says, ways] = row;
    const made = element("div", "more");
    for (const [label, text] of [["Name", name], ["Place", place], ["Reason", what]])
      if (isLong(text)) made.append(element("p", "long", `${label}: `, bdi(text)));
    if (fields.length && (what || !section.whole || hasLong(row)))
      made.append(element("ul", "changes", ...changes("li", fields, (text) => text)));
    for (const say of says) made.append(element("p", "", bdi(plan.texts[say])));
    if (ways.length)
      made.append(element("p", "", "Ways out:"), element("ul", "ways", ...ways.map((way) => element("li", "", ...wayOut(plan.texts[way])))));
    return made;
  }

  // A command in a way out is code, and no option of it is broken.
  function wayOut(text) {
    const at = text.indexOf("exolink-reconcile ");
    if (at < 0) return [text];
    const words = text.slice(at).split(" ").flatMap((word) => [" ", element("span", "word", word)]);
    return [text.slice(0, at), element("code", "", ...words.slice(1))];
  }

  // An entry of what is shown of a section is the number of a row, or of a run as ~number.
  function build(section, at) {
    const entry = section.found[at];
    const row = rowOf(section, entry);
    const made = element("div", "row");
    made.role = "listitem";
    made.ariaPosInSet = String(at + 1);
    made.ariaSetSize = String(section.found.length);
    if (several && (at === 0 || rowOf(section, section.found[at - 1])[0] !== row[0]))
      made.append(element("div", "tenant", bdi(cut(row[0]))));
    if (entry < 0) made.append(buildRun(section, section.runs[~entry], at));
    else if (section.whole) {
      made.append(line(section, row, "div"));
      const body = more(section, row);
      body.append(permalink(section, row));
      made.append(body);
    } else {
      const details = element("details", "", line(section, row, "summary"));
      const fillBody = () => {
        if (details.childNodes.length > 1) return;
        const body = more(section, row);
        body.append(permalink(section, row));
        details.append(body);
      };
      details.open = opened.has(row) !== isUnfolded();
      if (details.open) fillBody();
      details.addEventListener("toggle", () => {
        if (details.open) fillBody();
        if (details.open !== isUnfolded()) opened.add(row); else opened.delete(row);
      });
      made.append(details);
    }
    made.dataset.at = String(at);
    return made;
  }

  const rowOf = (section, entry) => section.rows[entry < 0 ? section.runs[~entry][0] : entry];

  function buildRun(section, run, at) {
    const details = element("details", "run", runLine(section, run));
    details.open = isOpen(run);
    details.firstChild.addEventListener("click", (event) => {
      event.preventDefault();
      if (opened.has(run)) opened.delete(run); else opened.add(run);
      find(section);
      layOut(section);
      goTo(section, at);
    });
    return details;
  }

  function permalink(section, row) {
    const made = element("p", "link", link(`#${anchor(section, row)}`, "Link to this change"));
    if (!section.whole && row[3] && links.size) made.append(" · ", linked(row[3]));
    return made;
  }

  // -------------------------------------------------------------------------------------------------------- blocks

  const blocks = new WeakMap(); // block element -> {section, from, filled}
  const watcher = new IntersectionObserver((seen) => {
    for (const each of seen) if (each.isIntersecting) fill(each.target); else empty(each.target);
  }, { rootMargin: `${NEAR}px 0px` });

  function fill(block) {
    const facts = blocks.get(block);
    if (!facts || facts.filled) return;
    facts.filled = true;
    const last = Math.min(facts.from + BLOCK, facts.section.found.length);
    const rows = [];
    for (let at = facts.from; at < last; at++) rows.push(build(facts.section, at));
    block.replaceChildren(...rows);
    block.style.height = "";
    highlight(block);
    if (!current || !current.line.isConnected) setCurrent(block.querySelector(".line"));
  }

  function empty(block) {
    const facts = blocks.get(block);
    if (!facts?.filled || block.contains(document.activeElement)) return;
    const height = block.offsetHeight;
    facts.filled = false;
    facts.section.rowHeight = height / block.childNodes.length;
    block.replaceChildren();
    block.style.height = `${height}px`;
  }

  function layOut(section) {
    for (const block of section.live.childNodes) watcher.unobserve(block);
    const made = [];
    for (let from = 0; from < section.found.length; from += BLOCK) {
      const block = element("div", "block");
      block.style.height = `${Math.min(BLOCK, section.found.length - from) * section.rowHeight}px`;
      blocks.set(block, { section, from, filled: false });
      made.push(block);
    }
    section.live.replaceChildren(...made);
    for (const block of made) watcher.observe(block);
    section.count.textContent = section.matching === section.rows.length
      ? `(${section.rows.length.toLocaleString("en")})`
      : `(${section.matching.toLocaleString("en")} of ${section.rows.length.toLocaleString("en")} shown)`;
    byId(section.word).classList.toggle("empty", !section.matching);
  }

  // -------------------------------------------------------------------------------------------------------- filter

  function haystacks(section) {
    section.texts ??= section.rows.map(([tenantName, kindName, name, place, what, fields, says]) =>
      [`${tenantName}/${kindName}/${name}`, place, what, ...fields.flat(), ...says.map((say) => plan.texts[say])]
        .join("\n").toLowerCase());
    return section.texts;
  }

  const words = () => search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const isUnfolded = () => unfold.ariaPressed === "true";

  const pressed = () => chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.word);
  const isOpen = (run) => opened.has(run) !== isUnfolded();

  // What of a section is shown: what matches, and of a run that is folded only its first line. A search unfolds.
  function find(section, wanted = words(), actions = new Set(pressed())) {
    const texts = wanted.length ? haystacks(section) : [];
    section.found = [];
    section.matching = 0;
    if (actions.size && !actions.has(section.word)) return;
    let next = 0;
    let skipTo = 0;
    section.rows.forEach((row, number) => {
      if ((tenant.value && row[0] !== tenant.value) || (kind.value && row[1] !== kind.value) ||
          !wanted.every((word) => texts[number].includes(word))) return;
      section.matching++;
      while (next < section.runs.length && section.runs[next][0] < number) next++;
      if (!wanted.length && section.runs[next]?.[0] === number) {
        section.found.push(~next);
        if (!isOpen(section.runs[next])) skipTo = number + section.runs[next][1];
      }
      if (number >= skipTo) section.found.push(number);
    });
  }

  // Rows that stay as they are stay in the page, unless they are to be made `afresh`.
  function filter(afresh = false) {
    const wanted = words();
    const actions = new Set(pressed());
    let matching = 0;
    highlights?.clear();
    for (const section of plan.sections) {
      const before = section.found;
      find(section, wanted, actions);
      matching += section.matching;
      const same = before?.length === section.found.length && section.found.every((entry, at) => entry === before[at]);
      if (!same || afresh) layOut(section);
      else for (const block of section.live.childNodes) highlight(block);
    }
    const first = document.querySelector(".block");
    if (first) fill(first);
    nothing.hidden = matching > 0;
    const all = total.toLocaleString("en");
    status.textContent = matching === total ? `${all} in all` : `${matching.toLocaleString("en")} of ${all} shown`;
  }

  // ------------------------------------------------------------------------------------------------------- address

  // The filters stand in the fragment of the address, `#q=gone&show=delete`: who gets the address sees the same.
  let later = 0;
  function remember() {
    clearTimeout(later);
    later = setTimeout(() => {
      const filters = new URLSearchParams();
      for (const [name, value] of [["q", search.value], ["show", pressed().join(",")], ["tenant", tenant.value], ["kind", kind.value]])
        if (value) filters.set(name, value);
      try { history.replaceState(null, "", `#${filters}`); } catch { /* a frame that may not: then it is not remembered */ }
    }, 300);
  }

  function recall() {
    const fragment = location.hash.slice(1);
    if (/^[a-z-]+-[0-9a-f]{8}$/.test(fragment)) return aim(fragment);
    const filters = new URLSearchParams(fragment);
    search.value = filters.get("q") ?? "";
    for (const [select, name] of [[tenant, "tenant"], [kind, "kind"]])
      select.value = [...select.options].some((option) => option.value === filters.get(name)) ? filters.get(name) : "";
    const shown = (filters.get("show") ?? "").split(",");
    for (const chip of chips) chip.ariaPressed = String(shown.includes(chip.dataset.word));
    filter();
  }

  // Go to the change that a link is about: everything shown, its run unfolded, its row marked.
  function aim(fragment) {
    for (const section of plan.sections) {
      if (!fragment.startsWith(`${section.word}-`)) continue;
      const number = section.rows.findIndex((row) => anchor(section, row) === fragment);
      if (number < 0) continue;
      search.value = tenant.value = kind.value = "";
      for (const chip of chips) chip.ariaPressed = "false";
      const run = section.runs.find(([start, size]) => start <= number && number < start + size);
      if (run && !isOpen(run)) { if (isUnfolded()) opened.delete(run); else opened.add(run); }
      filter(true);
      goTo(section, section.found.indexOf(number));
      current.line.scrollIntoView({ block: "center" });
      return;
    }
    filter();
  }

  const highlights = globalThis.Highlight ? new Highlight() : null;
  if (highlights) CSS.highlights.set("hit", highlights);

  function highlight(block) {
    const wanted = words();
    if (!highlights || !wanted.length) return;
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const lower = node.data.toLowerCase();
      if (lower.length !== node.data.length) continue;
      for (const word of wanted) {
        const at = lower.indexOf(word);
        if (at >= 0) highlights.add(new StaticRange({ startContainer: node, startOffset: at, endContainer: node, endOffset: at + word.length }));
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------ keyboard

  function setCurrent(shown) {
    if (!shown) return;
    if (current) current.line.tabIndex = -1;
    const row = shown.closest(".row");
    current = { line: shown, section: blocks.get(row.parentNode).section, at: Number(row.dataset.at) };
    shown.tabIndex = 0;
  }

  function goTo(section, at) {
    const block = section.live.childNodes[Math.floor(at / BLOCK)];
    fill(block);
    const shown = block.childNodes[at % BLOCK].querySelector(".line");
    setCurrent(shown);
    shown.focus({ preventScroll: true });
    shown.scrollIntoView({ block: "nearest" });
  }

  function move(by) {
    if (!current?.line.isConnected) return;
    const atRow = current.line === document.activeElement;
    const shown = plan.sections.filter((section) => section.found.length);
    let number = shown.indexOf(current.section);
    let at = current.at + (atRow ? by : 0);
    if (at < 0 && number > 0) at = shown[--number].found.length - 1;
    else if (at >= shown[number].found.length && number < shown.length - 1) { number++; at = 0; }
    if (at >= 0 && at < shown[number].found.length) goTo(shown[number], at);
  }

  function clear() {
    search.value = tenant.value = kind.value = "";
    for (const chip of chips) chip.ariaPressed = "false";
    filter();
    remember();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target === search;
    const steps = { ArrowDown: 1, ArrowUp: -1, ...(typing ? {} : { j: 1, k: -1 }) };
    if (event.key === "Escape") { clear(); if (typing) search.blur(); }
    else if (event.key === "/" && !typing) search.focus();
    else if (typing && event.key === "Enter") move(0);
    else if (event.key in steps && event.target.tagName !== "SELECT") move(steps[event.key]);
    else return;
    event.preventDefault();
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".live .line")) setCurrent(event.target);
  });

  // --------------------------------------------------------------------------------------------------------- start

  function copyButton(code, what) {
    const button = element("button", "copy", "Copy");
    button.type = "button";
    button.ariaLabel = `Copy the ${what}`;
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(code.textContent); button.textContent = "Copied"; } catch {
        getSelection().selectAllChildren(code);   // where the page may not write: selected, to be copied by hand
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    return button;
  }

  function choices(select, column) {
    const values = new Set(plan.sections.flatMap((section) => section.rows.map((row) => row[column])));
    for (const value of [...values].sort()) select.append(new Option(cut(value), value));
    select.hidden = values.size < 2;
  }

  const nothing = element("p", "nothing", "Nothing matches. Escape clears the search and the filters.");
  document.querySelector("main").append(nothing);
  for (const section of plan.sections) {
    const holder = byId(section.word);
    section.live = element("div", "live");
    section.live.role = "list";
    section.live.setAttribute("aria-labelledby", `${section.word}-title`);
    section.count = element("span", "count found");   // on paper the other one stands: what is printed is not filtered
    holder.querySelector(".count").after(section.count);
    section.rowHeight = section.whole ? 70 : 31;
    holder.append(section.live);
  }
  choices(tenant, 0);
  choices(kind, 1);
  unfold.hidden = plan.sections.every((section) => section.whole);
  const change = () => { filter(); remember(); };
  search.addEventListener("input", change);
  for (const select of [tenant, kind]) select.addEventListener("change", change);
  for (const button of [...chips, unfold])
    button.addEventListener("click", () => {
      button.ariaPressed = String(button.ariaPressed !== "true");
      if (button === unfold) opened.clear();
      filter(button === unfold);
      remember();
    });
  for (const id of ["digest", "command"]) if (byId(id)) byId(id).after(copyButton(byId(id), id));
  filter();
  if (location.hash) recall();
  addEventListener("hashchange", recall);
  toolbar.hidden = false;
  document.documentElement.classList.add("js");
  (globalThis.requestIdleCallback ?? setTimeout)(() => plan.sections.forEach(haystacks));
})();
