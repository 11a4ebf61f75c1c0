// The band beneath the image: what was found, by what, when, and that it is for research.
import type { AnalyzedOutcome } from '../../analysis.ts';
import { GATEWAY_VERSION } from '../equipment.ts';
import { findingLabels, type OutcomeImage, type StudyOutcome } from '../outcome.ts';
import { severityInShort } from '../severity-wording.ts';
import { RESEARCH_USE, count, findingStatement, percent } from '../wording.ts';
import { COLOURS } from './colours.ts';
import type { OverlayGeometry } from './geometry.ts';
import { fitLine, type Weight } from './lettering.ts';

interface LegendText {
  text: string;
  weight: Weight;
  colour: string;
  /** Font size as a share of the overlay's width. */
  size: number;
}

/** Baselines of the four lines, in shares of the overlay's width below the top of the band. */
const BASELINES = [0.044, 0.079, 0.111, 0.14] as const;
const MARGIN = 0.02;

/** SVG of the band. @param made the moment of the result, as people read it */
export function legendSvg(
  study: StudyOutcome,
  image: OutcomeImage,
  outcome: AnalyzedOutcome,
  made: string,
  geometry: OverlayGeometry,
): string {
  const { width, height, legendTop } = geometry;
  const lines = legendLines(study, image, outcome, made);
  const room = width * (1 - 2 * MARGIN);
  const drawn = lines.map(([left, right], row) => {
    const y = legendTop + BASELINES[row]! * width;
    const rightLine = right && fitLine(right.text, right.size * width, room * 0.62, right.weight);
    const leftLine = fitLine(left.text, left.size * width, room - (rightLine ? rightLine.width + MARGIN * width : 0), left.weight);
    return (
      glyphs(leftLine.path, MARGIN * width, y, left.colour) +
      (right && rightLine ? glyphs(rightLine.path, width * (1 - MARGIN) - rightLine.width, y, right.colour) : '')
    );
  });
  const rule = `<rect x="0" y="${legendTop}" width="${width}" height="${Math.max(2, Math.round(width / 500))}" fill="${COLOURS.rule}"/>`;
  return `<rect x="0" y="${legendTop}" width="${width}" height="${height - legendTop}" fill="${COLOURS.band}"/>${rule}${drawn.join('')}`;
}

/** What stands on the left and on the right of each line. */
export function legendLines(
  study: StudyOutcome,
  image: OutcomeImage,
  outcome: AnalyzedOutcome,
  made: string,
): [left: LegendText, right?: LegendText][] {
  const { model } = study;
  const statement = findingStatement(study, outcome);
  const small = { weight: 'normal', colour: COLOURS.quiet, size: 0.0175 } as const;
  const frame = image.frames > 1 ? `, frame ${image.frame} of ${image.frames}` : '';
  return [
    [
      { text: statement, weight: 'bold', colour: outcome.positive ? COLOURS.finding : COLOURS.text, size: 0.034 },
      {
        text: probabilityInShort(study, outcome),
        weight: 'normal',
        colour: COLOURS.text,
        size: 0.026,
      },
    ],
    [
      { text: regionsInWords(outcome), weight: 'normal', colour: COLOURS.text, size: 0.02 },
      { text: RESEARCH_USE, weight: 'bold', colour: COLOURS.research, size: 0.019 },
    ],
    [
      { text: `AI model ${model.name} ${model.version}, sha256 ${model.sha256.slice(0, 12)} (${model.manufacturer})`, ...small },
      { text: `Analysed ${made}`, ...small },
    ],
    [
      { text: `Image ${image.sopInstanceUid}${frame}`, ...small },
      { text: `Hilum ${GATEWAY_VERSION}`, ...small },
    ],
  ];
}

/** What is compared with the threshold; of several findings that is their sum, so each stands there by the name of its label as well. */
function probabilityInShort({ labels }: StudyOutcome, { probability, threshold, scores }: AnalyzedOutcome): string {
  const findings = findingLabels(labels);
  const compared = `${percent(probability, threshold)} (threshold ${percent(threshold)})`;
  if (findings.length === 1) return `Probability ${compared}`;
  return `Together ${compared}: ${findings.map(({ name }) => `${name} ${percent(scores[name] ?? 0)}`).join(', ')}`;
}

function regionsInWords({ positive, regions, severity }: AnalyzedOutcome): string {
  if (regions.length === 0) return positive ? 'No region located' : 'No region marked';
  // In place of the scores, which stand at their boxes, too.
  if (severity?.status === 'measured') return `${severityInShort(severity)}   ${count(regions.length, 'region')}`;
  const scores = regions.map((region, place) => `${place + 1}: ${percent(region.score)}`).join('   ');
  return `${count(regions.length, 'region')}${positive ? '' : ' of low certainty'}   ${scores}${severity ? `   ${severityInShort(severity)}` : ''}`;
}

function glyphs(path: string, x: number, y: number, colour: string): string {
  return `<path transform="translate(${x.toFixed(1)} ${y.toFixed(1)})" fill="${colour}" d="${path}"/>`;
}
