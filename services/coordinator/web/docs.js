import { ask, el } from './dom.js';

const deepest = 6; // levels of nested schemas that are shown
let spec;
const commands = []; // functions that write the curl examples anew

const resolve = (schema) => (schema?.$ref ? spec.components.schemas[schema.$ref.split('/').pop()] : schema) ?? {};
const nameOf = (schema) => schema?.$ref?.split('/').pop();

// typeOf says in a few words what a schema allows.
function typeOf(schema) {
  const named = nameOf(schema);
  if (named) return named;
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ');
  const types = [schema.type ?? 'anything'].flat();
  let text = types.map((type) => {
    if (type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
    if (type === 'object' && typeof schema.additionalProperties === 'object') return `map to ${typeOf(schema.additionalProperties)}`;
    return type;
  }).join(' or ');
  if (schema.format && !['double', 'int64', 'int32', 'uint64'].includes(schema.format)) text += ` (${schema.format})`;
  if (schema.enum) text += `: ${schema.enum.join(' | ')}`;
  if (schema.default !== undefined) text += `, default ${schema.default}`;
  return text;
}

// inner is the schema worth unfolding below a property.
function inner(schema) {
  const s = resolve(schema);
  if (s.items) return inner(s.items);
  if (typeof s.additionalProperties === 'object') return inner(s.additionalProperties);
  return s;
}

function properties(schema, depth = 0) {
  const s = resolve(schema);
  if (s.oneOf) {
    return el('ul', {}, s.oneOf.map((one) => el('li', {}, unfold(one.title, one, depth))));
  }
  return el('ul', { class: 'props' }, Object.entries(s.properties ?? {}).map(([name, p]) => {
    const below = inner(p);
    return el('li', {},
      el('code', { class: 'name' }, name), el('span', { class: 'type' }, typeOf(p)),
      p.description && el('p', {}, p.description),
      below.properties && depth < deepest && unfold('fields', below, depth + 1));
  }));
}

// unfold makes the list of properties when it is opened for the first time.
function unfold(label, schema, depth) {
  const d = el('details', {}, el('summary', {}, label));
  d.addEventListener('toggle', () => d.children.length === 1 && d.append(properties(schema, depth)));
  return d;
}

function parameters(list) {
  return el('ul', { class: 'props' }, list.map((p) => el('li', {},
    el('code', { class: 'name' }, p.name), el('span', { class: 'type' }, `${p.in}, ${typeOf(p.schema)}`),
    p.required && el('span', { class: 'must' }, 'required'),
    p.description && el('p', {}, p.description))));
}

function content(media) {
  return Object.entries(media ?? {}).map(([type, { schema }]) => {
    const s = inner(schema ?? {});
    const what = el('span', { class: 'type' }, schema && typeOf(schema) !== 'anything' ? `${type}, ${typeOf(schema)}` : type);
    return el('div', {}, what, (s.properties || s.oneOf) && unfold(s.oneOf ? 'events' : 'fields', s, 0));
  });
}

// command is the curl line of an operation.
function command(method, path, op, run) {
  let url = location.origin + path.replace('{id}', run);
  const flags = [];
  const types = Object.keys(op.responses?.['200']?.content ?? {});
  if (types.includes('text/event-stream')) flags.push('-N');
  if (types.includes('text/csv')) {
    url = `'${url}?format=csv'`;
    flags.push('-o results.csv');
  }
  if (types.includes('text/html')) flags.push('-o report.html');
  if (op.requestBody) flags.push('--data-binary @scenario.yaml');
  else if (method === 'post') flags.push('-X POST');
  return ['curl', ...flags, url].join(' ');
}

function example(method, path, op) {
  const line = el('pre');
  commands.push((run) => { line.textContent = command(method, path, op, run); });
  const copy = el('button', {
    type: 'button',
    onclick: async () => {
      await navigator.clipboard.writeText(line.textContent);
      copy.textContent = 'Copied';
      setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
    },
  }, 'Copy');
  return el('div', { class: 'curl' }, line, copy);
}

function operation(method, path, op) {
  return el('section', { class: 'card op', id: op.operationId },
    el('header', {}, el('span', { class: `method ${method}` }, method.toUpperCase()), el('code', {}, path), el('h3', {}, op.summary)),
    el('div', {},
      op.description && el('p', {}, op.description),
      example(method, path, op),
      op.parameters?.length && [el('h4', {}, 'Parameters'), parameters(op.parameters)],
      op.requestBody && [el('h4', {}, 'Body'), el('p', {}, op.requestBody.description), content(op.requestBody.content)],
      el('h4', {}, 'Answers'),
      el('ul', { class: 'answers' }, Object.entries(op.responses).map(([status, r]) => el('li', {},
        el('span', { class: 'status' }, status === 'default' ? 'else' : status), r.description,
        Object.entries(r.headers ?? {}).map(([name, h]) => el('div', { class: 'type' }, `header ${name}: ${h.description ?? h.schema?.description ?? ''}`)),
        content(r.content))))));
}

function show() {
  const operations = Object.entries(spec.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, op]) => ({ path, method, op })));
  const run = el('input', { value: 'RUN', spellcheck: 'false', 'aria-label': 'Run id for the examples', oninput: () => fill() });
  const fill = () => commands.forEach((write) => write(run.value.trim() || 'RUN'));
  const text = spec.info.description.split('\n\n').map((paragraph) => el('p', {}, paragraph.split('`').map((part, i) => (i % 2 ? el('code', {}, part) : part))));
  const main = [el('div', { class: 'intro' }, el('h1', {}, 'API reference'), text,
    el('div', { class: 'for' }, el('label', { class: 'muted small' }, 'Run in the examples'), run))];
  const toc = [];
  operations.sort((a, b) => (a.op['x-order'] ?? Infinity) - (b.op['x-order'] ?? Infinity));
  for (const tag of spec.tags) {
    const list = operations.filter(({ op }) => op.tags.includes(tag.name));
    toc.push(el('h3', {}, tag.name), ...list.map(({ method, op }) => el('a', { href: `#${op.operationId}` },
      el('span', { class: `method ${method}` }, method.toUpperCase()), op.summary)));
    main.push(el('div', { class: 'tag' }, el('h2', {}, tag.name), el('p', { class: 'muted' }, tag.description)),
      ...list.map(({ path, method, op }) => operation(method, path, op)));
  }
  document.getElementById('toc').replaceChildren(...toc);
  document.getElementById('main').replaceChildren(...main);
  fill();
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  ask('/v1/runs').then((runs) => {
    if (runs.length && run.value === 'RUN') {
      run.value = runs[0].id;
      fill();
    }
  }, () => {}); // the examples do without a run
}

ask('/openapi.json').then((description) => {
  spec = description;
  show();
}, (error) => document.getElementById('main').replaceChildren(el('p', { class: 'notice' }, `The description could not be loaded: ${error.message}`)));
