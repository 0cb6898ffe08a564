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
  if (response.status === 401) login();
  let problem;
  try {
    problem = JSON.parse(text);
  } catch {
    problem = { detail: `the server answered ${response.status}` };
  }
  throw Object.assign(new Error(problem.detail), { problem });
}

// login asks for the token of the stack, once, and begins anew with it.
function login() {
  if (document.querySelector('dialog.login')) return;
  const token = el('input', { type: 'password', autocomplete: 'current-password', required: true, 'aria-label': 'Token' });
  const said = el('p', { class: 'muted small', role: 'status' }, 'It is in the file http/token of the directory of keys.');
  const form = el('form', { class: 'card' }, el('h2', {}, 'Token of this stack'), said,
    el('div', { class: 'row' }, token, el('button', { class: 'primary last' }, 'Go on')));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const response = await fetch('/login', { method: 'POST', body: token.value });
    if (response.ok) location.reload();
    else said.textContent = 'That is not it.';
  });
  const dialog = el('dialog', { class: 'login' }, form);
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
}
