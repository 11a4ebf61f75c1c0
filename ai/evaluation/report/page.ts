// report.html: one file that needs nothing else, for whoever decides whether the model goes live.
import type { Evaluation, ModelEvaluation } from '../model-evaluation.ts';
import { frocPlot, histogramPlot, precisionRecallPlot, reliabilityPlot, rocPlot } from './plots.ts';
import { acceptedSection, adviceSection, boxSection, classSection, figureSection, groupSection, listSection, table, tiles, warningBox } from './sections.ts';
import { STYLE } from './style.ts';
import { escaped } from './svg.ts';

export function reportPage(evaluation: Evaluation): string {
  const { models, data } = evaluation;
  const title = `Acceptance test: ${models.map(({ model }) => `${model.name} ${model.version}`).join(', ')}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)}</h1>
<p class="soft">${escaped(data.source)} · ${data.images} images · ${escaped(evaluation.madeAt.slice(0, 16).replace('T', ' '))} UTC · Hilum ${escaped(evaluation.hilum)} · research use only, not a medical device</p>
${models.map((model) => modelPart(model, evaluation)).join('\n')}
<h2>How this was done</h2>${method(evaluation)}
</body></html>
`;
}

function modelPart(report: ModelEvaluation, { options, models }: Evaluation): string {
  const { model, boxes, classes } = report;
  const section = (title: string, content: string): string => (content === '' ? '' : `<h2>${title}</h2>${content}`);
  return [
    models.length > 1 ? `<h2>${escaped(model.name)} ${escaped(model.version)}</h2>` : '',
    tiles(report),
    warningBox(report.warnings),
    section('Figures', figureSection(report)),
    section('Curves', plots(report)),
    section('Sub-groups', groupSection(report)),
    section('Which threshold', adviceSection(report, options.sensitivity)),
    boxes ? section('Regions', boxSection(report)) : '',
    classes ? section('Classes', classSection(report)) : '',
    section('Beside what the model was accepted with', acceptedSection(report)),
    section('Images to look at', listSection(report)),
  ].join('\n');
}

function plots(report: ModelEvaluation): string {
  const captioned: [string | undefined, string, string][] = [
    [rocPlot(report), 'ROC.', 'How sensitivity is bought with false alarms; the cross is the manifest’s threshold with its intervals.'],
    [precisionRecallPlot(report), 'Precision and recall.', 'Dashed: what guessing would reach. Depends on the share of positives in the set.'],
    [reliabilityPlot(report), 'Reliability.', 'On the diagonal, of the images told 0.8 eight in ten are positive. Above it, the model tells too little; below it, too much. Larger dots hold more images.'],
    [histogramPlot(report), 'Probability by truth.', 'Shares of the positive images (up) and of the negative ones (down). Dashed: the threshold.'],
    [frocPlot(report), 'Free response (FROC).', 'How many opacities are hit for how many false regions an image.'],
  ];
  return `<div class="plots">${captioned
    .filter(([svg]) => svg !== undefined)
    .map(([svg, title, words]) => `<figure>${svg}<figcaption><b>${title}</b> ${words}</figcaption></figure>`)
    .join('\n')}</div>`;
}

function method({ data, options, models }: Evaluation): string {
  const rows: [string, string][] = [
    ['list', `<code>${escaped(data.source)}</code>, ${data.images} images; truth sha256 <code>${data.digest}</code>`],
    ...models.map(({ model }): [string, string] => ['model', `${escaped(model.name)} ${escaped(model.version)}, sha256 <code>${model.sha256}</code>, device UID <code>${model.deviceUid}</code>, run on ${escaped(model.provider)}`]),
    ['left out', data.leftOut.length === 0 ? 'nothing' : Object.entries(Object.groupBy(data.leftOut, ({ reason }) => reason)).map(([reason, entries]) => `${entries?.length ?? 0}: ${escaped(reason)}`).join('; ')],
    ['options', `<code>${escaped(JSON.stringify(options))}</code>`],
  ];
  return `<p>Every image went through the gateway's own pipeline: header, what the model is not meant for, decoding, grayscale pipeline, inference. PNG and JPEG were wrapped as DICOM first. An image is positive at or above the threshold.</p>
<p>Intervals are 95 % bootstrap intervals (percentiles of ${options.bootstrap} resamples of the patients, seed ${options.seed}). Sensitivity and specificity of 0 or 1 have the exact interval (Clopper and Pearson) instead, by patients. AUC counts ties half; average precision is a sum of steps; that of regions is the area under the precision envelope, each region taking from the best score down the free opacity that it overlaps most. The sub-groups' corrected judgement divides 0.05 among all comparisons (Bonferroni).</p>${table([], rows)}`;
}
