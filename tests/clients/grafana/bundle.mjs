// Bundles Grafana's Prometheus data source for a browser: node bundle.mjs OUT
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const empty = Object.fromEntries(['.css', '.scss', '.ttf', '.png', '.woff2'].map((ending) => [ending, 'empty']));
await build({
  stdin: {
    contents: `
      export { PrometheusDatasource } from '@grafana/prometheus';
      export * as data from '@grafana/data';
      export * as runtime from '@grafana/runtime';
      export { from, lastValueFrom } from 'rxjs';
    `,
    resolveDir: fileURLToPath(new URL('.', import.meta.url)),
  },
  bundle: true,
  platform: 'browser',
  format: 'iife',
  globalName: 'grafana',
  outfile: process.argv[2],
  logLevel: 'error',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  loader: { ...empty, '.svg': 'text' },
});
