// An analysed image with its regions, which can be taken away to look beneath; or the overlay as it went to the PACS.
import { useEffect, useState } from 'react';
import type { StudyAnalysis, StudyDetail } from '../worklist/worklist.ts';
import { getImage } from './api.ts';
import { percent } from './words.ts';

/** As wide as a screen shows it; the PACS keeps the full depth. */
const IMAGE_PIXELS = 1600;

/** Of the screen's height; the rest holds what is said about the image. */
const MAX_HEIGHT_VH = 62;

interface ImageProps {
  detail: StudyDetail;
  analysis: StudyAnalysis;
  regionsShown: boolean;
  onRegionsShown(shown: boolean): void;
  /** Tracking UID of the region to stress. */
  pointedAt: string | undefined;
}

export function AnalysisImage({ detail, analysis, regionsShown, onRegionsShown, pointedAt }: ImageProps) {
  const [form, setForm] = useState<'image' | 'overlay'>('image');
  const overlay = overlayAddress(detail, analysis);
  const source = useImage(form === 'image' ? sourceAddress(detail, analysis) : overlay);
  const regions = analysis.status === 'analyzed' ? analysis.regions : [];
  const { rows, columns } = analysis;
  return (
    <figure className="analysis-image">
      <div className={`frame ${form}`} style={form === 'image' && rows > 0 ? { aspectRatio: `${columns} / ${rows}`, width: `min(100%, ${MAX_HEIGHT_VH * (columns / rows)}vh)` } : {}}>
        {source.url !== undefined && <img src={source.url} alt={form === 'image' ? 'The analysed image' : 'The overlay as sent to the PACS'} />}
        {source.failure !== undefined && <p className="quiet">{source.failure}</p>}
        {form === 'image' && regionsShown && (
          <svg viewBox={`0 0 ${columns} ${rows}`} role="img" aria-label={`${regions.length} regions drawn`}>
            {regions.map((region, index) => (
              <g key={region.trackingUid} className={region.trackingUid === pointedAt ? 'region pointed' : 'region'}>
                <rect x={region.x} y={region.y} width={region.width} height={region.height} data-region={region.trackingUid} />
                <text x={region.x} y={Math.max(columns / 28, region.y - columns / 120)} fontSize={columns / 32}>
                  {index + 1}: {percent(region.score)}
                </text>
              </g>
            ))}
          </svg>
        )}
      </div>
      <figcaption>
        <button aria-pressed={form === 'image'} onClick={() => setForm('image')}>
          Image
        </button>
        <button aria-pressed={form === 'overlay'} disabled={overlay === null} onClick={() => setForm('overlay')}>
          Overlay as sent to the PACS
        </button>
        <label>
          <input type="checkbox" checked={regionsShown} disabled={form === 'overlay'} onChange={(event) => onRegionsShown(event.target.checked)} /> Regions
        </label>
      </figcaption>
    </figure>
  );
}

/** The address of the analysed frame, rendered; null when its instance is not there. */
function sourceAddress(detail: StudyDetail, analysis: StudyAnalysis): string | null {
  const instance = detail.instances.find((candidate) => candidate.sopInstanceUid === analysis.sopInstanceUid && candidate.current);
  if (instance === undefined) return null;
  return `${address(detail, instance)}/frames/${analysis.frame}/rendered?viewport=${IMAGE_PIXELS},${IMAGE_PIXELS}`;
}

/** This model's overlay of this image; null when none was made. */
function overlayAddress(detail: StudyDetail, analysis: StudyAnalysis): string | null {
  const overlays = detail.results.filter((result) => result.kind === 'overlay' && result.current && result.sourceSopInstanceUid === analysis.sopInstanceUid && result.model.name === analysis.model.name);
  // Several frames of one instance have an overlay each, and which is whose is not told: the study's, then.
  return overlays.length > 1 ? detail.overlay : overlays.length === 1 ? `${address(detail, overlays[0]!)}/rendered` : null;
}

function address(detail: StudyDetail, instance: { seriesInstanceUid: string; sopInstanceUid: string }): string {
  return `/dicomweb/studies/${detail.studyInstanceUid}/series/${instance.seriesInstanceUid}/instances/${instance.sopInstanceUid}`;
}

function useImage(path: string | null): { url?: string; failure?: string } {
  const [image, setImage] = useState<{ url?: string; failure?: string }>({});
  useEffect(() => {
    const stop = new AbortController();
    let made: string | undefined;
    setImage(path === null ? { failure: 'There is no image to show.' } : {});
    if (path !== null)
      getImage(path, stop.signal).then(
        (url) => {
          if (stop.signal.aborted) return URL.revokeObjectURL(url);
          made = url;
          setImage({ url });
        },
        (error: unknown) => {
          if (!stop.signal.aborted) setImage({ failure: error instanceof Error ? error.message : String(error) });
        },
      );
    return () => {
      stop.abort();
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [path]);
  return image;
}
