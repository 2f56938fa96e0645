import { Button, Chip, Group, MultiSelect, SegmentedControl, Select, Skeleton, Stack, Text, TextInput } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { useProjects } from '../../session/project';
import { Card } from '../../ui/Card';
import { usdOfNumber } from '../../ui/money';
import { useNow } from '../../ui/now';
import { Page } from '../../ui/Page';
import { Answered, Empty } from '../../ui/States';
import { useDailyBudget } from './budget';
import { colorOf } from './colors';
import { csvOf, download } from './csv';
import { useNames } from './names';
import { between, forecast, isoDay, lastDays, monthSoFar, type Range } from './range';
import { useReport, type Grouping, type Measure, type Report } from './report';
import classes from './Usage.module.css';
import { UsageTable } from './UsageTable';

const Chart = lazy(() => import('./Chart'));

const MEASURES = [
  { value: 'spend', label: 'Spend' },
  { value: 'tokens', label: 'Tokens' },
  { value: 'requests', label: 'Requests' },
];
const GROUPINGS = [
  { value: 'model', label: 'Model' },
  { value: 'project_id', label: 'Project' },
  { value: 'api_key_id', label: 'Key' },
  { value: 'user_id', label: 'Person' },
];
const RANGES = [
  { value: '7', label: '7 days' },
  { value: 'month', label: 'This month' },
  { value: '31', label: '31 days' },
  { value: '90', label: '90 days' },
  { value: 'custom', label: 'From … to …' },
];

/** What the address of the page says is looked at, so that a link shows the same. */
interface Look {
  measure?: Measure;
  by?: Grouping;
  range?: string | number;
  from?: string;
  to?: string;
  projects?: string[];
}

function rangeOf(look: Look, now: number): Range {
  const name = String(look.range ?? 'month');
  if (name === 'custom') return between(look.from ?? '', look.to ?? '') ?? monthSoFar(now);
  return name === 'month' ? monthSoFar(now) : lastDays(Number(name) || 31, now);
}

/** Spend, tokens and requests over time. */
export default function Usage() {
  const look: Look = useSearch({ strict: false });
  const navigate = useNavigate();
  const set = (change: Partial<Look>) => {
    void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }) });
  };
  const now = useNow();
  const measure = look.measure ?? 'spend';
  // Costs are not told by person: OpenAI's report has no such grouping.
  const grouping = measure === 'spend' && look.by === 'user_id' ? 'model' : (look.by ?? 'model');
  const range = rangeOf(look, now);
  const report = useReport({ measure, grouping, range, projects: look.projects ?? [] });
  const nameOf = useNames(grouping);
  const projects = useProjects();
  const format = (value: number) =>
    measure === 'spend' ? usdOfNumber(value) : value.toLocaleString();
  return (
    <Page
      title="Usage"
      lead="Days are UTC. Today is partial; what is settled shows within seconds."
      actions={
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          disabled={!report.data}
          onClick={() => {
            if (report.data) {
              download(`farebox-${measure}-by-${grouping}.csv`, csvOf(report.data, nameOf));
            }
          }}
        >
          Download CSV
        </Button>
      }
    >
      <Group align="flex-end">
        <SegmentedControl
          aria-label="What is shown"
          data={MEASURES}
          value={measure}
          onChange={(value) => {
            set({ measure: value as Measure });
          }}
        />
        <Select
          label="Split by"
          data={measure === 'spend' ? GROUPINGS.slice(0, 3) : GROUPINGS}
          value={grouping}
          allowDeselect={false}
          w={140}
          onChange={(value) => {
            set({ by: value as Grouping });
          }}
        />
        <Select
          label="Time"
          data={RANGES}
          value={String(look.range ?? 'month')}
          allowDeselect={false}
          w={150}
          onChange={(value) => {
            const today = isoDay(now);
            set({ range: value ?? 'month', ...(value === 'custom' && { from: today, to: today }) });
          }}
        />
        {look.range === 'custom' && (
          <>
            <TextInput
              type="date"
              label="From"
              value={look.from ?? ''}
              onChange={(event) => {
                set({ from: event.currentTarget.value });
              }}
            />
            <TextInput
              type="date"
              label="To"
              value={look.to ?? ''}
              onChange={(event) => {
                set({ to: event.currentTarget.value });
              }}
            />
          </>
        )}
        <MultiSelect
          label="Projects"
          placeholder="All"
          clearable
          data={(projects.data ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={look.projects ?? []}
          miw={180}
          onChange={(chosen) => {
            set({ projects: chosen });
          }}
        />
      </Group>
      <Answered query={report} loading={<Skeleton height={420} radius="lg" />}>
        {(found) =>
          found.series.length === 0 ? (
            <Empty
              title="Nothing in this time"
              text="Requests that were answered and charged appear here within seconds. Refused ones cost nothing and are not usage."
            />
          ) : (
            <Shown
              report={found}
              measure={measure}
              nameOf={nameOf}
              format={format}
              onDay={(day) => {
                set({ range: 'custom', from: day, to: day });
              }}
            />
          )
        }
      </Answered>
    </Page>
  );
}

interface ShownProps {
  report: Report;
  measure: Measure;
  nameOf: (series: string) => string;
  format: (value: number) => string;
  onDay: (day: string) => void;
}

function Shown({ report, measure, nameOf, format, onDay }: ShownProps) {
  const [hidden, setHidden] = useState<string[]>([]);
  const budget = useDailyBudget();
  const shown = report.series.filter((name) => !hidden.includes(name));
  return (
    <Card title={`${format(report.total)} in all`} text={<Forecast report={report} of={measure} />}>
      <Stack gap="md">
        <Suspense fallback={<Skeleton height={320} />}>
          <Chart
            report={report}
            shown={shown}
            nameOf={nameOf}
            format={format}
            line={measure === 'spend' ? budget : undefined}
            onDay={onDay}
          />
        </Suspense>
        <Chip.Group
          multiple
          value={shown}
          onChange={(chosen) => {
            setHidden(report.series.filter((name) => !chosen.includes(name)));
          }}
        >
          <Group gap="xs" role="group" aria-label="Series">
            {report.series.map((name, index) => (
              <Chip key={name} value={name} size="xs" variant="outline">
                <span className={classes.dot} style={{ background: colorOf(index) }} />
                {nameOf(name)}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
        <UsageTable report={report} nameOf={nameOf} format={format} />
      </Stack>
    </Card>
  );
}

function Forecast({ report, of: measure }: { report: Report; of: Measure }) {
  const now = useNow();
  const first = report.days[0];
  const isThisMonth = first?.start === monthSoFar(now).start;
  const expected = isThisMonth ? forecast(report.total, now) : null;
  if (measure !== 'spend' || expected === null) return null;
  return <Text component="span" size="sm">At this pace the month ends at {usdOfNumber(expected)}.</Text>;
}
