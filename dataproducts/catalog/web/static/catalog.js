// What makes the pages quicker to use. Everything works without it: search is a form, snippets are text, filters have a button.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const said = document.getElementById("said");
  const ready = (root) => root.querySelectorAll("button.copy").forEach((button) => { button.hidden = false; });

  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "unseen";
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const before = button.textContent;
    await copied(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.done;
    if (said) said.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = before; if (said) said.textContent = ""; }, 1600);
    button.focus();
  });

  // "/" goes to the search field
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(input|textarea|select)$/i.test(event.target.tagName)) return;
    const field = document.querySelector("input.query");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  });

  // The list of suggestions, as a combobox. htmx puts the options in it.
  const combobox = (field) => {
    const list = field.dataset.suggest && document.getElementById(field.dataset.suggest);
    if (!list) return;
    const options = () => [...list.querySelectorAll("[role=option]")];
    let at = -1;
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", list.id);
    const show = (open) => {
      const some = open && options().length > 0 && field.value.trim() !== "";
      list.hidden = !some;
      field.setAttribute("aria-expanded", String(some));
      if (!some) choose(-1);
    };
    const choose = (place) => {
      at = place;
      options().forEach((one, i) => one.setAttribute("aria-selected", String(i === at)));
      const chosen = options()[at];
      if (chosen) { field.setAttribute("aria-activedescendant", chosen.id); chosen.scrollIntoView({ block: "nearest" }); }
      else field.removeAttribute("aria-activedescendant");
    };
    list.addEventListener("htmx:afterSwap", () => {
      options().forEach((one, i) => { one.id = `${list.id}-${i}`; });
      at = -1;
      show(document.activeElement === field);
    });
    field.addEventListener("keydown", (event) => {
      const many = options().length;
      if (event.key === "Escape" && !list.hidden) { show(false); event.preventDefault(); }
      else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && many) {
        event.preventDefault();
        if (list.hidden) show(true);
        const next = event.key === "ArrowDown" ? at + 1 : at - 1;
        choose(next >= many ? -1 : next < -1 ? many - 1 : next);
      } else if (event.key === "Enter" && at >= 0) {
        event.preventDefault();
        location.assign(options()[at].dataset.href);
      }
    });
    field.addEventListener("blur", () => setTimeout(() => show(false), 150));
    field.addEventListener("focus", () => show(at >= 0));
    list.addEventListener("mousedown", (event) => event.preventDefault());
    show(false);
  };

  // The results follow what is typed and chosen; facets that were unfolded stay so.
  const find = document.getElementById("find");
  if (find) {
    let waiting = 0;
    const field = find.querySelector("input.query");
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => find.dispatchEvent(new Event("typed")), 260);
    });
    find.addEventListener("htmx:configRequest", (event) => {
      if (event.detail.elt !== find) return;
      for (const [name, value] of [...Object.entries(event.detail.parameters)]) {
        if (value === "" || (name === "sort" && value === "relevance")) delete event.detail.parameters[name];
      }
    });
    let unfolded = {};
    find.addEventListener("htmx:beforeSwap", () => {
      unfolded = Object.fromEntries([...find.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
    });
    find.addEventListener("htmx:afterSwap", () => {
      for (const [id, open] of Object.entries(unfolded)) {
        const one = document.getElementById(id);
        if (one) one.open = open;
      }
    });
  }
  const fold = document.querySelector(".facet-fold");
  if (fold && window.matchMedia("(max-width: 48rem)").matches) fold.open = false;

  document.querySelectorAll("input.query").forEach(combobox);
  ready(document);
  document.addEventListener("htmx:load", (event) => ready(event.target));
})();
