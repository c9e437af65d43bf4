"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const graph = document.getElementById("graph"), panel = document.getElementById("panel");
  const nodes = [...graph.querySelectorAll(".node")], links = [...graph.querySelectorAll(".link")];
  const touching = nodes.map(() => []);
  data.links.forEach((link, number) => new Set(link.ends).forEach((end) => touching[end].push(number)));
  const byId = new Map(data.entities.map((entity, number) => [entity.id, number]));

  // Texts only ever become text nodes.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") element.addEventListener("click", value);
      else if (value !== null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const words = (predicate) => predicate.slice(predicate.indexOf(":") + 1).replaceAll("_", " ");
  const outside = (text, url) => (url ? make("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, text) : text);
  const nameOf = (id) => data.entities[byId.get(id)].name;
  const shell = (word) => (/^[\w.:/@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
  const percent = (value) => value.toFixed(2);

  const sentence = (stated) => `${nameOf(stated.subject)} — ${words(stated.predicate)} → ${nameOf(stated.object)}`;

  const quote = (claim, evidence) => [
    make("blockquote", { dir: "auto" }, evidence.text),
    make("p", { class: "quiet" },
      outside(claim.document, claim.url), evidence.section ? ` · ${evidence.section}` : "",
      evidence.page === null ? "" : ` · page ${evidence.page}`, " · ",
      make("code", {}, `medkg show ${shell(claim.document)} --span ${evidence.start}:${evidence.end}`)),
  ];

  const showClaim = (claim) => {
    const marks = [claim.status !== "live" ? `${claim.status} document: counts for nothing` : "",
      claim.negated ? "denies it" : "", claim.certainty !== "stated" ? claim.certainty : ""].filter(Boolean);
    return make("div", { class: marks.length ? "claim off" : "claim" },
      marks.length ? make("p", { class: "bad" }, marks.join(" · ")) : null,
      ...claim.evidence.flatMap((evidence) => quote(claim, evidence)),
      make("p", { class: "quiet" }, `${claim.method} · score ${percent(claim.score)}`));
  };

  const meter = (label, value) =>
    make("p", { class: "quiet" }, `${label} `, make("meter", { min: 0, max: 1, value, "aria-label": label }, percent(value)), ` ${percent(value)}`);

  const showStated = (stated) => make("section", {},
    make("h3", { dir: "auto" }, sentence(stated)),
    meter("belief", stated.belief),
    stated.against ? meter("belief against", stated.against) : null,
    ...Object.entries(stated.qualifiers).map(([name, value]) =>
      make("p", { class: "quiet" }, `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`)),
    make("p", { class: "quiet" }, `${stated.total} claims, ${stated.documents} documents` +
      (stated.total > stated.claims.length ? `; the first ${stated.claims.length} are shown` : "")),
    ...stated.claims.map(showClaim));

  // Who is in the panel by keyboard stays there when it changes.
  const fill = (...children) => {
    const inside = panel.contains(document.activeElement);
    panel.replaceChildren(...children);
    panel.scrollTop = 0;
    if (inside) panel.focus();
  };
  const choose = (chosen) => {
    for (const element of [...nodes, ...links]) element.classList.toggle("chosen", chosen.has(element));
  };
  const enter = (number) => make("button", { type: "button", onclick: () => showNode(number) }, `← ${data.entities[number].name}`);

  function showLink(number, from) {
    const link = data.links[number];
    choose(new Set([links[number], ...link.ends.map((end) => nodes[end])]));
    const ends = new Set(from === undefined ? link.ends : [from, ...link.ends]);
    fill(...[...ends].map(enter), ...link.assertions.map(showStated));
  }

  function showNode(number, marked = true) {
    const entity = data.entities[number];
    choose(new Set([nodes[number], ...(marked ? touching[number].map((link) => links[link]) : [])]));
    const statements = touching[number].flatMap((link) => data.links[link].assertions.map((stated) => [link, stated]));
    statements.sort((a, b) => b[1].belief - a[1].belief);
    fill(
      make("h2", { dir: "auto" }, entity.name),
      make("p", { class: "quiet" }, `${entity.type.replaceAll("_", " ")} · `, outside(entity.id, entity.url)),
      entity.retracted ? make("p", { class: "bad" }, "Retracted: what it says counts for nothing.") : "",
      entity.aliases.length ? make("p", { class: "quiet", dir: "auto" }, `also: ${entity.aliases.join(", ")}`) : "",
      entity.xrefs.length ? make("p", { class: "quiet" }, `see: ${entity.xrefs.join(", ")}`) : "",
      make("h3", {}, `${statements.length} assertions here`),
      make("ul", {}, ...statements.map(([link, stated]) => make("li", {},
        make("button", { type: "button", dir: "auto", onclick: () => showLink(link, number) }, `${percent(stated.belief)}  ${sentence(stated)}`)))));
  }

  let moved = false;
  nodes.forEach((node, number) => {
    node.addEventListener("click", () => moved || showNode(number));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      showNode(number);
    });
  });
  links.forEach((link, number) => link.addEventListener("click", () => moved || showLink(number)));

  // The view: wheel and buttons change the scale, dragging moves.
  const home = graph.getAttribute("viewBox").split(" ").map(Number);
  let view = [...home];
  const set = (next) => { view = next; graph.setAttribute("viewBox", view.join(" ")); };
  const scale = (factor, x, y) => {
    const width = Math.min(Math.max(view[2] * factor, home[2] / 40), home[2] * 3), by = width / view[2];
    set([x - (x - view[0]) * by, y - (y - view[1]) * by, width, view[3] * by]);
  };
  const point = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(graph.getScreenCTM().inverse());
  graph.addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = point(event);
    scale(event.deltaY > 0 ? 1.15 : 1 / 1.15, at.x, at.y);
  }, { passive: false });
  let held = null;
  graph.addEventListener("pointerdown", (event) => { held = point(event); moved = false; });
  graph.addEventListener("pointermove", (event) => {
    if (!held || !event.buttons) return;
    const at = point(event), x = at.x - held.x, y = at.y - held.y;
    if (Math.hypot(x, y) > view[2] / 200) moved = true;
    if (moved) set([view[0] - x, view[1] - y, view[2], view[3]]);
  });
  addEventListener("pointerup", () => { held = null; });
  // Buttons and keys keep the chosen entity where it is; the wheel, the place below the pointer.
  const chosen = () => {
    const node = graph.querySelector(".node.chosen");
    const at = node ? node.transform.baseVal.consolidate().matrix : { e: view[0] + view[2] / 2, f: view[1] + view[3] / 2 };
    return [at.e, at.f];
  };
  const act = { nearer: () => scale(1 / 1.4, ...chosen()), farther: () => scale(1.4, ...chosen()), whole: () => set([...home]) };
  for (const [id, work] of Object.entries(act)) document.getElementById(id).addEventListener("click", work);
  addEventListener("keydown", (event) => {
    if (event.target.matches("input")) return;
    const work = { "+": act.nearer, "-": act.farther, 0: act.whole }[event.key];
    if (work) work();
  });
  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
  });

  // Types that are not ticked are hidden; what is searched for stands out.
  const find = document.getElementById("find"), ticks = [...document.querySelectorAll("[data-type][type=checkbox]")];
  const refresh = () => {
    const wanted = find.value.trim().toLowerCase();
    const off = new Set(ticks.filter((tick) => !tick.checked).map((tick) => tick.dataset.type));
    const gone = data.entities.map((entity) => off.has(entity.type));
    const faint = data.entities.map((entity) => wanted !== "" && ![entity.name, entity.id, ...entity.aliases].some((name) => name.toLowerCase().includes(wanted)));
    nodes.forEach((node, number) => { node.toggleAttribute("hidden", gone[number]); node.classList.toggle("faint", faint[number]); });
    links.forEach((link, number) => {
      const ends = data.links[number].ends;
      link.toggleAttribute("hidden", ends.some((end) => gone[end]));
      link.classList.toggle("faint", wanted !== "" && ends.every((end) => faint[end]));
    });
  };
  find.addEventListener("input", refresh);
  ticks.forEach((tick) => tick.addEventListener("change", refresh));
  showNode(0, false);
})();
