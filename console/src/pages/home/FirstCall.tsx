import { Badge, Button, Code, Group, Select, Stack, Text } from '@mantine/core';
import { IconPlayerPlay } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { callModel } from '../../api/dataPlane';
import { messageOf } from '../../api/error';
import { queryClient } from '../../api/queries';
import { useModels } from '../../session/models';
import { useProject } from '../../session/project';
import { CALLS_NOTHING, useMayCall } from '../../session/standing';
import { Card } from '../../ui/Card';
import { usd } from '../../ui/money';
import { Problem } from '../../ui/Problem';
import type { FreshKey } from './Home';

/** Says Hello World with the key that was just made, and shows what came back. */
export function FirstCall({ fresh }: { fresh: FreshKey | null }) {
  const project = useProject();
  const models = useModels(project);
  const mayCall = useMayCall(project);
  const [chosen, setChosen] = useState<string | null>(null);
  const model = chosen ?? models.data?.[0] ?? null;
  const calling = useMutation({
    mutationFn: () =>
      callModel(fresh?.secret ?? '', {
        model,
        messages: [{ role: 'user', content: 'Hello World' }],
      }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['first-call'] }),
  });
  return (
    <Card title="2. Make the first call">
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {fresh
            ? `Sends “Hello World” with the key “${fresh.name}”.`
            : 'Create a key first: the test uses it.'}
        </Text>
        {mayCall === false && <Text size="sm">{CALLS_NOTHING}</Text>}
        {models.data?.length === 0 && (
          <Text size="sm">
            No model can be called yet. Whoever runs this installation adds them in farebox.toml.
          </Text>
        )}
        <Group align="flex-end">
          <Select
            label="Model"
            data={models.data ?? []}
            value={model}
            allowDeselect={false}
            onChange={setChosen}
          />
          <Button
            leftSection={<IconPlayerPlay size={16} />}
            disabled={!fresh || !mayCall || model === null}
            loading={calling.isPending}
            onClick={() => {
              calling.mutate();
            }}
          >
            Test
          </Button>
        </Group>
        <Problem text={calling.isError ? messageOf(calling.error) : null} />
        {calling.data && (
          <Stack gap="xs" role="status">
            <Group gap="xs">
              <Badge color="fare" tt="none">
                {calling.data.status}
              </Badge>
              {calling.data.cost !== null && (
                <Text size="sm">
                  cost {usd(calling.data.cost)}, balance {usd(calling.data.balance ?? '0')}
                </Text>
              )}
            </Group>
            <Code block tabIndex={0} aria-label="The answer">
              {JSON.stringify(calling.data.body, null, 2)}
            </Code>
          </Stack>
        )}
      </Stack>
    </Card>
  );
}
