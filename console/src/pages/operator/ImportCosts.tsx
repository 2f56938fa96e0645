import { FileInput, Select, Text, Textarea } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';

/** What is wrong with a text as JSON; the server says what is wrong with what it holds. */
function jsonProblem(text: string): string | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? null : 'It must be an object: {"data": …}.';
  } catch {
    return 'It is not JSON.';
  }
}

const told = ({ days, is_new: isNew, alarmed_days: alarmed }: Schemas['UpstreamCostsImported']) =>
  isNew
    ? `${days} days are in${alarmed.length > 0 ? `, ${alarmed.length} of them too far off` : ''}.`
    : 'It says nothing that was not known.';

/** Takes what an upstream says it is owed, as a file or pasted. */
export function ImportCosts({ close }: { close: () => void }) {
  const upstreams = useQuery({
    queryKey: ['operator', 'upstreams', 'choice'],
    queryFn: ({ signal }) =>
      data(api.GET('/api/operator/upstreams', { params: { query: { limit: 100 } }, signal })),
  });
  const form = useApiForm({
    initialValues: { upstream_id: '', costs: '' },
    validate: {
      upstream_id: (id) => (id ? null : 'Choose one.'),
      costs: jsonProblem,
    },
    send: ({ upstream_id: upstream, costs }) =>
      data(
        api.POST('/api/operator/upstream_costs/import', {
          body: { upstream_id: upstream, costs: JSON.parse(costs) as never },
        }),
      ),
    onSent: async (imported) => {
      notifications.show({ message: told(imported) });
      await queryClient.invalidateQueries({ queryKey: ['operator', 'drifts'] });
      close();
    },
  });
  const { getInputProps, setFieldValue } = form.form;
  const ids = new Set((upstreams.data?.data ?? []).map(({ id }) => id));
  return (
    <FormBody of={form} action="Import" close={close}>
      <Text size="sm">
        What OpenAI’s <code>GET /v1/organization/costs</code> answers, in daily buckets, best with{' '}
        <code>group_by=line_item</code>. The latest word on a day replaces what was said before.
      </Text>
      <Select label="Upstream" data={[...ids]} data-autofocus {...getInputProps('upstream_id')} />
      <FileInput
        label="File"
        placeholder="Choose a JSON file"
        accept="application/json,.json"
        clearable
        onChange={(file) => {
          void file?.text().then((text) => {
            setFieldValue('costs', text);
          });
        }}
      />
      <Textarea
        label="Or paste it"
        autosize
        minRows={4}
        maxRows={12}
        spellCheck={false}
        {...getInputProps('costs')}
      />
    </FormBody>
  );
}
