// One part of the page. The server sends HTML; what differs is changed in place, so that focus, scrolling and pictures
// stay. What is clicked or moved asks the server for another address of the page, which the server then shows.
export default function ({ parentElement, data, setTriggerValue }) {
  let root = parentElement.querySelector(":scope > .live");
  if (!root) {
    root = document.createElement("div");
    root.className = "live";
    parentElement.replaceChildren(root);
    listen(root);
  }
  root.send = setTriggerValue;
  document.documentElement.lang = data.language; // Streamlit says "en" of every page
  root.removeAttribute("aria-busy");
  const wanted = document.createElement("div");
  wanted.innerHTML = data.html;
  const first = !root.hasChildNodes();
  morph(root, wanted);
  const moved = document.documentElement.dataset;
  const heading = root.querySelector("[data-focus]");
  if (moved.amganMoved && heading && root.last !== data.html) { // another view: what was clicked is gone
    heading.focus({ preventScroll: true });
    delete moved.amganMoved;
  }
  root.last = data.html;
  if (first) for (const row of root.querySelectorAll(".chips")) { // on a telephone a row is longer than the screen
    const chosen = row.querySelector("[aria-pressed=true], .now");
    if (chosen) row.scrollLeft = chosen.offsetLeft - row.offsetLeft - 40;
  }
}

function same(a, b) {
  return a && a.nodeName === b.nodeName && a.dataset?.key === b.dataset?.key;
}

function morph(here, wanted) {
  const fresh = [...wanted.childNodes];
  let old = here.firstChild;
  fresh.forEach((node, i) => {
    if (old && !same(old, node) && !fresh.slice(i + 1).some((later) => later.dataset?.key && same(old, later))) {
      const gone = old; // it has no place any more, or another has it: what comes next may be what is wanted
      old = old.nextSibling;
      gone.remove();
    }
    if (!same(old, node)) {
      here.insertBefore(node, old);
      return;
    }
    if (old.nodeType === Node.ELEMENT_NODE) update(old, node);
    else if (old.data !== node.data) old.data = node.data;
    old = old.nextSibling;
  });
  while (old) {
    const gone = old;
    old = old.nextSibling;
    gone.remove();
  }
}

function update(there, node) {
  // What the visitor has opened stays open.
  for (const { name } of [...there.attributes])
    if (!node.hasAttribute(name) && name !== "open") there.removeAttribute(name);
  for (const { name, value } of node.attributes)
    if (name !== "open" && there.getAttribute(name) !== value) there.setAttribute(name, value);
  if (there instanceof HTMLInputElement && there !== document.activeElement) there.value = node.getAttribute("value") ?? "";
  morph(there, node);
  if (there instanceof HTMLSelectElement) there.value = node.value;
}

function listen(root) {
  const go = (query) => {
    root.setAttribute("aria-busy", "true");
    root.send("go", query);
  };
  root.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const done = () => { copy.textContent = copy.dataset.copy; };
      navigator.clipboard?.writeText(location.href).then(done, () => prompt(copy.textContent, location.href));
      if (!navigator.clipboard) prompt(copy.textContent, location.href);
      return;
    }
    const link = event.target.closest("[data-go]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    if (link.hasAttribute("aria-pressed")) {
      const pressed = link.getAttribute("aria-pressed") === "true";
      link.closest(".chips")?.querySelectorAll("[aria-pressed=true]").forEach((c) => c.setAttribute("aria-pressed", "false"));
      link.setAttribute("aria-pressed", String(!pressed));
    }
    const open = link.closest("details");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
    if (link.dataset.top !== undefined) {
      document.querySelector(".stMain")?.scrollTo({ top: 0 });
      document.documentElement.dataset.amganMoved = "yes";
    }
    go(link.dataset.go);
  });
  root.addEventListener("change", (event) => {
    const { template } = event.target.dataset;
    if (template) go(template.replace("VALUE", encodeURIComponent(event.target.value)));
  });
  root.addEventListener("input", (event) => {
    const { shows } = event.target.dataset;
    if (!shows) return;
    const place = event.target.closest("[data-shown]") ?? root;
    place.style.setProperty(`--${shows}`, event.target.value);
    const output = event.target.parentElement.querySelector("output");
    if (output) output.textContent = event.target.value;
  });
  drawBoxes(root, go);
}

function drawBoxes(root, go) {
  let frame = null, from = null, box = null;
  const at = (event) => {
    const r = frame.getBoundingClientRect();
    return [event.clientX - r.left, event.clientY - r.top].map((v, i) =>
      Math.round(Math.min(100, Math.max(0, (100 * v) / (i ? r.height : r.width)))));
  };
  root.addEventListener("pointerdown", (event) => {
    frame = event.target.closest("[data-box]");
    if (!frame) return;
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
    from = at(event);
    box = null;
  });
  root.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = at(event);
    box = [0, 1].map((i) => Math.min(from[i], to[i])).concat([0, 1].map((i) => Math.max(from[i], to[i])));
    const drawn = frame.querySelector(".box");
    drawn.hidden = false;
    drawn.style.cssText = `left:${box[0]}%;top:${box[1]}%;width:${box[2] - box[0]}%;height:${box[3] - box[1]}%`;
  });
  root.addEventListener("pointerup", () => {
    if (from && box && box[2] - box[0] >= 10 && box[3] - box[1] >= 10) go(frame.dataset.box.replace("VALUE", box.join(",")));
    from = null;
  });
}
