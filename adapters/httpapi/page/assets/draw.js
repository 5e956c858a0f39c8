// What the scripts of the page share.

export const element = (name, properties = {}, ...children) => {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
};
export const drawn = (name, attributes, ...children) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
};
export const grouped = (digits) => String(digits).replace(/\B(?=(\d{3})+$)/g, "\u202f");
// Counts have 63 bits and JavaScript's numbers 53, so counts keep their source text.
const counts = ["visits", "count", "sum"];
export const exact = (key, value, context) => (counts.includes(key) && context?.source) || value;
