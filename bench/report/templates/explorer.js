"use strict";
// Explorers of the codes. Each stands in an element of the class "explorer", whose data-explorer holds as JSON the
// cells (packed pictures by panel, the images' size, the axes) and the settings (a group's cells, the plain GAN's).
// State: which setting, cell and panel; one category; x and y, places on the axes that are dragged.

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function explore(root) {
  const { cells, settings } = JSON.parse(root.dataset.explorer);
  const state = { setting: 0, cell: 0, panel: "", category: 0, x: 3, y: 3 };
  const controls = make("div", { className: "controls" });
  const views = make("div", { className: "views" });
  const said = make("p", { className: "soft said" });
  said.setAttribute("role", "status");
  const pictures = new Map(); // decoded, by address

  const number = (value) => String(Math.round(100 * value) / 100).replace("-", "\u2212");
  const main = () => cells[settings[state.setting].cells[state.cell]];
  const against = () => {
    const own = settings[state.setting].against;
    return own.length ? cells[own[Math.min(state.cell, own.length - 1)]] : null;
  };
  const panelOf = (cell, name) => cell.panels.find((panel) => panel.name === name);
  const dragged = (panel) => panel.axes.filter((axis) => axis.kind !== "categorical");
  const label = (cell, axis, k) => (axis.name === firstCategorical() && cell.labels[k]) || String(k);
  const firstCategorical = () =>
    main().panels.flatMap((panel) => panel.axes).find((axis) => axis.kind === "categorical")?.name;

  // The views under the controls: codes, the same generator's noise, the plain GAN's codes.
  function shown() {
    const codes = panelOf(main(), state.panel), noise = panelOf(main(), "noise"), other = against();
    const names = (panel) => panel.axes.map((axis) => axis.name).join(", ");
    const found = [{ cell: main(), panel: codes, title: `${main().group}, ${main().words}: codes ${names(codes)}` }];
    if (noise) {
      const moved = dragged(noise).map((axis) => axis.name);
      const title = `The same generator: noise ${moved.join(" and ")} ${moved.length > 1 ? "move" : "moves"} instead`;
      found.push({ cell: main(), panel: noise, title });
    }
    if (other && panelOf(other, state.panel)) {
      const title = `${other.group}, ${other.words}: the same codes, trained as a plain GAN`;
      found.push({ cell: other, panel: panelOf(other, state.panel), title });
    }
    return found;
  }

  // Place of the state on an axis of a panel.
  function place(panel, axis) {
    if (axis.kind === "categorical") return Math.min(state.category, axis.values.length - 1);
    return Math.min(dragged(panel).indexOf(axis) === 0 ? state.x : state.y, axis.values.length - 1);
  }

  function draw() {
    shown().forEach(({ cell, panel }, k) => {
      const canvas = views.children[k]?.querySelector("canvas"), picture = pictures.get(panel.picture);
      if (!canvas || !picture) return;
      const context = canvas.getContext("2d"), { width, height } = cell;
      const places = panel.axes.reduce((product, axis) => product * axis.values.length, 1);
      const at = panel.axes.reduce((index, axis) => index * axis.values.length + place(panel, axis), 0);
      for (let row = 0; row < cell.rows; row++) {
        const k = row * places + at, left = (k % cell.across) * width, top = Math.floor(k / cell.across) * height;
        context.drawImage(picture, left, top, width, height, row * (width + 2), 0, width, height);
      }
      canvas.setAttribute("aria-label", `${cell.rows} images, ${where(cell, panel)}`);
    });
    const { cell, panel } = shown()[0];
    said.textContent = `${cell.group}, ${cell.words}: ${where(cell, panel)}`;
    controls.querySelectorAll("input[type=range]").forEach((input) => {
      input.value = state[input.name];
      input.setAttribute("aria-valuetext", number(input.axis.values[input.value]));
    });
    controls.querySelectorAll("input[type=radio]").forEach((input, k) => { input.checked = k === state.category; });
    const pad = controls.querySelector(".pad");
    if (pad) {
      const [x, y] = dragged(panel).map((axis) => axis.values);
      pad.style.setProperty("--x", state.x / (x.length - 1));
      pad.style.setProperty("--y", 1 - state.y / (y.length - 1));
      pad.setAttribute("aria-valuenow", x[state.x]);
      pad.setAttribute("aria-valuetext", where(cell, panel));
    }
  }

  function where(cell, panel) {
    return panel.axes.map((axis) => {
      const k = place(panel, axis), name = label(cell, axis, k);
      if (axis.kind !== "categorical") return `${axis.name} = ${number(axis.values[k])}`;
      if (axis.name !== firstCategorical() || !cell.labels.length) return `${axis.name} = ${k}`;
      return `${axis.name} = ${k}, ${name === "-" ? "matched to no digit" : `matched to digit ${name}`}`;
    }).join(", ");
  }

  function move(changes) {
    Object.assign(state, changes);
    draw();
  }

  function choice(name, words, options) {
    if (options.length < 2) return;
    const select = make("select", {}, ...options.map(([value, text]) => make("option", { value, textContent: text })));
    select.value = String(state[name]);
    select.addEventListener("change", () => {
      state[name] = name === "panel" ? select.value : Number(select.value);
      if (name === "setting") state.cell = 0;
      build();
      controls.querySelector(`[name=${name}]`).focus();
    });
    select.name = name;
    controls.append(make("label", {}, `${words} `, select));
  }

  function categories(axis) {
    const buttons = axis.values.map((_, k) => {
      const input = make("input", { type: "radio", name: `category-${root.id}`, value: k });
      input.addEventListener("change", () => move({ category: k }));
      return make("label", {}, input, make("span", { textContent: label(main(), axis, k) }));
    });
    const legend = make("legend", { textContent: `category of ${axis.name}` });
    controls.append(make("fieldset", { className: "categories" }, legend, ...buttons));
  }

  function slider(name, axis, also) {
    const input = make("input", { type: "range", name, min: 0, max: axis.values.length - 1, step: 1 });
    input.addEventListener("input", () => move({ [name]: Number(input.value) }));
    input.axis = axis;
    controls.append(make("label", {}, `${axis.name}${also ? ` and ${also.name}` : ""} `, input));
  }

  // What one can do with these controls, and what stands below each other.
  function how(categorical, moved, rows) {
    const hands = [];
    if (categorical) hands.push("choose a category");
    if (moved.length > 1) hands.push("drag the point or move it by the arrow keys");
    else if (moved.length) hands.push("move the slider");
    const said = [`${hands.join(", ")}. Each column keeps its noise.`];
    if (moved.length > 1) said.push("The dashed square is the range of the codes in training.");
    if (rows.some(({ panel }) => panel.name === "noise")) {
      said.push("For comparison: noise dimensions, those that change the images most.");
    }
    return said.join(" ").replace(/^./, (letter) => letter.toUpperCase());
  }

  // A plane: x to the right, y upwards. A pointer drags the point, arrow keys move it by one place.
  function plane([x, y]) {
    const pad = make("div", { className: "pad", tabIndex: 0 }, make("i"), make("b"));
    const limits = { "aria-valuemin": x.values[0], "aria-valuemax": x.values.at(-1) };
    const words = `plane of ${x.name}, to the right, and ${y.name}, upwards`;
    const told = { role: "slider", "aria-roledescription": "plane", "aria-label": words, ...limits };
    Object.entries(told).forEach(([name, value]) => pad.setAttribute(name, value));
    const within = (k, axis) => Math.max(0, Math.min(axis.values.length - 1, k));
    const follow = (event) => {
      const box = pad.getBoundingClientRect();
      const right = (event.clientX - box.left) / box.width, up = 1 - (event.clientY - box.top) / box.height;
      move({ x: within(Math.round(right * (x.values.length - 1)), x), y: within(Math.round(up * (y.values.length - 1)), y) });
    };
    pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); follow(event); });
    pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) follow(event); });
    const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    pad.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      move({ x: within(state.x + step[0], x), y: within(state.y + step[1], y) });
    });
    controls.append(make("div", { className: "plane" }, pad, make("span", { textContent: `${x.name} \u2192, ${y.name} \u2191` })));
  }

  function build() {
    const names = main().panels.map((panel) => panel.name).filter((name) => name !== "noise");
    if (!names.includes(state.panel)) state.panel = names[0];
    controls.replaceChildren();
    choice("setting", "arm", settings.map((setting, k) => [k, setting.group]));
    choice("cell", "seed", settings[state.setting].cells.map((at, k) => [k, cells[at].words]));
    choice("panel", "code", names.map((name) => [name, name]));
    const codes = panelOf(main(), state.panel), noise = panelOf(main(), "noise");
    const all = [...codes.axes, ...(noise ? noise.axes : [])];
    const categorical = all.find((axis) => axis.kind === "categorical");
    const [own, below] = [dragged(codes), noise ? dragged(noise) : []];
    state.category = Math.min(state.category, categorical ? categorical.values.length - 1 : 0);
    if (categorical) categories(categorical);
    if (own.length > 1) plane(own);
    ["x", "y"].forEach((name, k) => {
      if (own[k]) slider(name, own[k], below[k]);
      else if (k === 0 && below[k]) slider(name, below[k]);
    });
    root.querySelector(".how").textContent = how(categorical, own.length ? own : below, shown());
    views.replaceChildren(...shown().map(({ cell, title }) => {
      const canvas = make("canvas", { width: cell.rows * (cell.width + 2) - 2, height: cell.height });
      canvas.setAttribute("role", "img");
      canvas.style.setProperty("--wide", `${canvas.width * Math.max(1, Math.round(112 / cell.width))}px`);
      return make("figure", {}, canvas, make("figcaption", { textContent: title }));
    }));
    shown().forEach(({ panel }) => {
      if (pictures.has(panel.picture)) return;
      const picture = new Image();
      picture.src = panel.picture;
      const keep = () => { pictures.set(panel.picture, picture); draw(); };
      picture.decode().then(keep, () => { said.textContent = "A picture of this explorer is damaged."; });
    });
    draw();
  }

  root.append(controls, views, said);
  root.classList.add("live");
  build();
}

document.querySelectorAll(".explorer").forEach(explore);
