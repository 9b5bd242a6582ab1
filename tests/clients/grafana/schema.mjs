// Checks dashboards against the types of Grafana 11, 12 and 13: node schema.mjs [VERSION] DASHBOARD.json…
//
// Grafana publishes its schema as TypeScript types. Each dashboard, panel and PromQL query becomes an object literal of
// its type, so that the compiler rejects unknown keys, wrong types and unknown words.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = fileURLToPath(new URL('.', import.meta.url));
const VERSIONS = { 11: '@grafana/schema-11', 12: '@grafana/schema-12', 13: '@grafana/schema' };

/** Returns the file with the types of a part of a schema: a panel's options, or a data source's query. */
function typesOf(name, part) {
  for (const root of ['dist/types', 'dist/esm']) {
    const folder = join(here, 'node_modules', name, root, 'raw/composable', part, 'x');
    if (!existsSync(folder)) continue;
    const file = readdirSync(folder).find((entry) => entry.endsWith('types.gen.d.ts'));
    if (file) return join(folder, file).replace(/\.d\.ts$/, '');
  }
  return undefined;
}

/** Returns TypeScript in which every part of the dashboard has its type. */
function source(name, board) {
  const lines = [
    `import type { Dashboard, Panel, RowPanel } from '${name}';`,
    // Grafana publishes the type of PromQL queries with the data source only, since version 12.
    `import type { Prometheus } from '${join(here, 'node_modules/@grafana/prometheus/dist/types/dataquery')}';`,
    // Enumerations of words accept their words.
    'type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;',
  ];
  const imported = new Map();
  const typed = (part, type) => {
    const key = `${type}_${part}`.replace(/\W/g, '_');
    if (!imported.has(key)) {
      const path = typesOf(name, part);
      if (!path) throw new Error(`${name} has no ${part}`);
      imported.set(key, true);
      lines.push(`import type { ${type} as ${key} } from '${path}';`);
    }
    return key;
  };
  const panels = board.panels.map((panel, at) => {
    if (panel.type === 'row') return `export const panel${at}: Plain<RowPanel> = ${JSON.stringify(panel)};`;
    const options = typed(`${panel.type}/panelcfg`, 'Options');
    const custom = typed(`${panel.type}/panelcfg`, panel.type === 'stat' ? 'Options' : 'FieldConfig');
    const { options: own, fieldConfig, targets, ...rest } = panel;
    const { custom: fields, ...defaults } = fieldConfig.defaults;
    const queries = targets
      .filter((target) => target.datasource.type === 'prometheus')
      .map((target, n) => `export const query${at}_${n}: Plain<Prometheus> = ${JSON.stringify(target)};`);
    return [
      `export const panel${at}: Plain<Panel> = ${JSON.stringify({ ...rest, fieldConfig: { ...fieldConfig, defaults } })};`,
      `export const options${at}: Plain<${options}> = ${JSON.stringify(own)};`,
      fields ? `export const fields${at}: Plain<Partial<${custom}>> = ${JSON.stringify(fields)};` : '',
      ...queries,
    ].join('\n');
  });
  // The keys of Infinity's queries are in no schema.
  const list = board.annotations.list.map(({ target, ...rest }) => (target ? { ...rest, target: { refId: target.refId } } : rest));
  const whole = { ...board, annotations: { ...board.annotations, list }, panels: [] };
  lines.push(`export const board: Plain<Dashboard> = ${JSON.stringify(whole)};`, ...panels);
  return lines.join('\n');
}

let faults = 0;
const [only, ...files] = /^\d+$/.test(process.argv[2]) ? process.argv.slice(2) : [undefined, ...process.argv.slice(2)];
const boards = files.map((file) => [basename(file), JSON.parse(readFileSync(file, 'utf8'))]);
for (const [version, name] of Object.entries(VERSIONS)) {
  if (only && version !== only) continue;
  const texts = new Map(boards.map(([file, board]) => [join(here, `${file}.${version}.ts`), source(name, board)]));
  const options = { strict: true, noEmit: true, skipLibCheck: true, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, target: ts.ScriptTarget.ES2022, types: [] };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => texts.has(file) || fileExists(file);
  host.readFile = (file) => texts.get(file) ?? readFile(file);
  host.getSourceFile = (file, ...rest) =>
    texts.has(file) ? ts.createSourceFile(file, texts.get(file), ts.ScriptTarget.ES2022, true) : getSourceFile.call(host, file, ...rest);
  const program = ts.createProgram([...texts.keys()], options, host);
  const found = ts.getPreEmitDiagnostics(program);
  for (const fault of found) {
    const at = fault.file?.getLineAndCharacterOfPosition(fault.start ?? 0);
    const near = fault.file?.text.slice(fault.start, fault.start + 60) ?? '';
    console.log(`Grafana ${version}, ${basename(fault.file?.fileName ?? '?')}:${(at?.line ?? 0) + 1}: ${ts.flattenDiagnosticMessageText(fault.messageText, '\n')}\n  at ${near}`);
  }
  faults += found.length;
  console.log(`${found.length ? 'FAILED' : 'ok'} ${boards.length} dashboards with the types of ${name}`);
}
process.exit(faults ? 1 : 0);
