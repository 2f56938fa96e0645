import { useMay } from '../../session/me';
import { useNow } from '../../ui/now';
import { lastDays, monthSoFar } from '../usage/range';
import { useReport } from '../usage/report';

const DAYS = 7;

/** What each key of a project spent this month, in USD; undefined for those who may not know. */
export function useSpentThisMonth(project: string | undefined): Record<string, number> | undefined {
  const isWanted = useMay('api.usage.read') && project !== undefined;
  const range = monthSoFar(useNow());
  const only = { project_id: [project ?? ''] };
  const report = useReport({ measure: 'spend', grouping: 'api_key_id', range, only }, isWanted);
  return isWanted ? (report.data?.totals ?? {}) : undefined;
}

/** What a key did in the last days, as "12 requests to a, 3 to b"; undefined where that is unknown. */
export function useLately(key: string): string | undefined {
  const isWanted = useMay('api.usage.read');
  const range = lastDays(DAYS, useNow());
  const only = { api_key_id: [key] };
  const report = useReport({ measure: 'requests', grouping: 'model', range, only }, isWanted);
  if (!isWanted || !report.data) return undefined;
  const { series, totals } = report.data;
  if (series.length === 0) return `It made no request in the last ${DAYS} days.`;
  const counts = series.map((model, index) => {
    const count = totals[model] ?? 0;
    const unit = index > 0 ? '' : count === 1 ? ' request' : ' requests';
    return `${count.toLocaleString()}${unit} to ${model}`;
  });
  return `In the last ${DAYS} days it made ${counts.join(', ')}.`;
}
