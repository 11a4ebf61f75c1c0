// npm run bench [intake|inference|wado|qido|qido-large]: ratios against peers in the same run.
import { printRows, type BenchRow } from './bench.ts';
import { benchInference } from './inference.ts';
import { benchIntake } from './intake.ts';
import { benchQido, benchQidoLarge } from './qido.ts';
import { benchWado } from './wado.ts';

const BENCHES: Record<string, () => Promise<BenchRow[]>> = { intake: benchIntake, inference: benchInference, wado: benchWado, qido: benchQido, 'qido-large': benchQidoLarge };

const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : Object.keys(BENCHES);
const rows: BenchRow[] = [];
for (const name of names) {
  const bench = BENCHES[name];
  if (!bench) throw new Error(`there is no bench "${name}"; there are ${Object.keys(BENCHES).join(', ')}`);
  console.error(`measuring ${name} …`);
  rows.push(...(await bench()));
}
if (rows.length > 0) printRows(rows);
