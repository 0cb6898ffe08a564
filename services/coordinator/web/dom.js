// el makes an element. Texts are always text: nothing that came from a scenario or a model is read as HTML.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

export const count = (n) => n.toLocaleString('en-US');
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

// ask fetches JSON. A problem is thrown, with its faults.
export async function ask(path, options = {}) {
  const response = await fetch(path, options);
  const text = await response.text();
  if (response.ok) return text ? JSON.parse(text) : null;
  let problem;
  try {
    problem = JSON.parse(text);
  } catch {
    problem = { detail: `the server answered ${response.status}` };
  }
  throw Object.assign(new Error(problem.detail), { problem });
}
