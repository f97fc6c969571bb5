# frozen_string_literal: true

# Sidekiq's side of bench/queue. The free Sidekiq fetches with a plain BRPOP: what a worker holds
# when it dies is lost.
#
#     ruby sidekiq_peer.rb JOBS [RATE]           the producer, with BENCH_REDIS_URL
#     sidekiq -r ./sidekiq_peer.rb -c 10 -q bench  the worker

require 'json'
require 'sidekiq'

url = ENV.fetch('BENCH_REDIS_URL')
Sidekiq.logger.level = Logger::WARN
LATENCY = Queue.new

Sidekiq.configure_client { |config| config.redis = { url: url } }
Sidekiq.configure_server do |config|
  config.redis = { url: url }
  config.on(:shutdown) do
    seen = []
    seen << LATENCY.pop until LATENCY.empty?
    unless seen.empty?
      seen.sort!
      line = { count: seen.size, p50_us: (seen[seen.size / 2] * 1e6).round,
               p99_us: (seen[seen.size * 99 / 100] * 1e6).round }
      warn "LATENCY #{JSON.generate(line)}"
    end
  end
end

# The job.
class Noop
  include Sidekiq::Worker
  sidekiq_options queue: 'bench', retry: 3

  def perform(at = nil)
    LATENCY << (Time.now.to_f - at) if at
  end
end

def push(count, args)
  Sidekiq::Client.push_bulk('class' => Noop, 'args' => Array.new(count) { args })
end

def produce(jobs, rate)
  began = Time.now.to_f
  sent = 0
  while sent < jobs
    due = rate.positive? ? [jobs, ((Time.now.to_f - began) * rate).to_i].min : jobs
    count = [due - sent, 1000].min
    if count.positive?
      push(count, rate.positive? ? [Time.now.to_f] : [])
    else
      sleep 0.0002
    end
    sent += count
  end
  puts JSON.generate(began: began, ended: Time.now.to_f, jobs: jobs)
end

produce(Integer(ARGV[0]), Float(ARGV[1] || 0)) if $PROGRAM_NAME == __FILE__
