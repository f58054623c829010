// What a page must give everybody: names for what can be used, one main heading, ids that are unique, nothing wider than the
// window, a language and direction. Returns sentences; an empty list is a good page.
() => {
  const wrong = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const text = (element) => element?.textContent.trim() ?? "";
  const described = (element) => element.outerHTML.slice(0, 120);
  const labelledBy = (element) =>
    (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => text(document.getElementById(id))).join("");
  const named = (element) => element.getAttribute("aria-label") || labelledBy(element);

  for (const field of all("input:not([type=hidden]), select, textarea")) {
    if (!named(field) && ![...(field.labels ?? [])].some(text)) wrong.push(`no label: ${described(field)}`);
  }
  for (const control of all("button, a[href], summary")) {
    if (!named(control) && !text(control)) wrong.push(`no name: ${described(control)}`);
  }
  for (const image of all("img")) if (!image.hasAttribute("alt")) wrong.push(`no alt: ${described(image)}`);
  for (const region of all("nav, dialog, progress, table caption, [role=region]")) {
    if (!named(region) && !text(region)) wrong.push(`no name: ${described(region)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) wrong.push(`id twice: ${id}`);
  for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls], label[for]")) {
    for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
      for (const id of (element.getAttribute(name) ?? "").split(" ").filter(Boolean)) {
        if (!document.getElementById(id)) wrong.push(`${name} names nothing: ${id}`);
      }
    }
  }
  if (document.querySelectorAll("main h1").length !== 1) wrong.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) wrong.push("not one main");
  if (!document.title) wrong.push("no title");
  const { lang, dir, scrollWidth, clientWidth } = document.documentElement;
  if (dir !== (lang === "ar" ? "rtl" : "ltr")) wrong.push(`${lang} is ${dir}`);
  if (scrollWidth > clientWidth) wrong.push(`${scrollWidth} px wide in a window of ${clientWidth} px`);
  return wrong;
};
