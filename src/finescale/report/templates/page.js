"use strict";

// Tables: a heading sorts by its column, again turns the order; cells without a number stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  const compare = (a, b, sign) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  };
  headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    body.append(...[...body.rows].sort((a, b) => compare(key(a, column), key(b, column), sign)));
  }));
}

// Figures: shown in a dialog of the window's size or their own, and larger from there. The drawing itself moves
// there and back, since a copy would double its identifiers.
const dialog = document.getElementById("zoom");
const stage = dialog.querySelector(".stage");
let home = null;
let scale = 1;
const resize = (factor) => {
  const [, , width, height] = stage.firstElementChild.getAttribute("viewBox").split(" ").map(Number);
  const fitting = Math.min(stage.clientWidth, (stage.clientHeight * width) / height);
  scale = Math.min(8, Math.max(1, factor === null ? (1.33 * width) / fitting : scale * factor));
  stage.firstElementChild.style.width = `${fitting * scale}px`;
};
const enlarge = (drawing) => {
  home = drawing;
  drawing.style.height = `${drawing.offsetHeight}px`;
  dialog.querySelector("p").textContent = drawing.dataset.title;
  stage.replaceChildren(drawing.firstElementChild);
  dialog.showModal();
  resize(null);
};
dialog.addEventListener("close", () => {
  const picture = stage.firstElementChild;
  picture.style.width = "";
  home.replaceChildren(picture);
  home.style.height = "";
});
dialog.addEventListener("click", (event) => {
  const what = event.target.dataset.zoom;
  if (what === "close") dialog.close();
  else if (what) resize(what === "larger" ? 1.5 : 1 / 1.5);
});
dialog.addEventListener("keydown", (event) => {
  if (event.key === "+" || event.key === "=") resize(1.5);
  if (event.key === "-") resize(1 / 1.5);
});
window.addEventListener("resize", () => dialog.open && resize(1));
for (const drawing of document.querySelectorAll(".drawing")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "enlarge";
  button.textContent = "Enlarge";
  button.setAttribute("aria-label", `Enlarge ${drawing.dataset.title}`);
  button.addEventListener("click", () => enlarge(drawing));
  drawing.after(button);
  drawing.addEventListener("click", () => enlarge(drawing));
}

// Contents: always open beside the page, folded above it; they mark what is being read.
const contents = document.getElementById("contents");
const wide = window.matchMedia("(min-width: 76rem)");
const fold = () => { contents.open = wide.matches; };
wide.addEventListener("change", fold);
fold();
contents.addEventListener("click", (event) => {
  if (event.target.tagName === "A" && !wide.matches) contents.open = false;
});
const links = new Map([...contents.querySelectorAll("a")].map((a) => [a.hash.slice(1), a]));
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(target.id).setAttribute("aria-current", "true");
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const id of links.keys()) watcher.observe(document.getElementById(id));
